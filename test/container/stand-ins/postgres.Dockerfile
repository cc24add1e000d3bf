# What deploy/compose needs of postgres:17, from Debian's packages. BASE is any Debian 12.
ARG BASE
FROM ${BASE}
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql-15 \
  && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/15
ENV PATH=/usr/lib/postgresql/15/bin:$PATH
COPY start.sh /start.sh
RUN mkdir -p /var/lib/postgresql/data && chown postgres: /var/lib/postgresql/data
USER postgres
ENTRYPOINT ["/bin/sh", "/start.sh"]
