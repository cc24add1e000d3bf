# The smallest system that still starts the command: BusyBox, Node with its libraries, and the package of IMAGE.
ARG IMAGE
FROM ${IMAGE} AS package
USER root
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static \
  && mkdir -p /small/bin /small/usr/bin /small/usr/local/bin /small/tmp \
  && cp /bin/busybox /small/bin/ && /bin/busybox --install -s /small/bin && ln -s /bin/busybox /small/usr/bin/env \
  && cp /usr/local/bin/node /small/usr/local/bin/ && cp -a /opt /small/opt \
  && ldd /usr/local/bin/node | grep -o '/[^ )]*' | xargs -I{} cp --parents --dereference {} /small

FROM scratch
COPY --from=package /small /
ENV PATH=/opt/pgtimewarp/bin:/usr/local/bin:/usr/bin:/bin
USER 1000
ENTRYPOINT ["pgtimewarp"]
