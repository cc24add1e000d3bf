# What deploy/Dockerfile needs of node:24-bookworm-slim: Node, npm, and a user without rights. BASE is any Debian 12.
# REGISTRY and certificates.pem are those with which npm works on the machine that builds it.
ARG BASE
FROM ${BASE}
ARG REGISTRY
ENV npm_config_registry=${REGISTRY} NODE_EXTRA_CA_CERTS=/usr/local/etc/certificates.pem
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
COPY certificates.pem /usr/local/etc/certificates.pem
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && useradd --create-home --uid 1000 node
