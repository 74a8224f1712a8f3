-- Roles and databases of a new server; the image runs this once, as the superuser.
-- psql reads the passwords itself: they stand in no argument and no environment.
-- Safe to repeat: no; a data directory that exists is not touched by the image.
\set airflow_password `cat /run/secrets/airflow_password`
\set warehouse_password `cat /run/secrets/warehouse_password`

CREATE ROLE airflow LOGIN PASSWORD :'airflow_password';
CREATE ROLE crm_warehouse LOGIN PASSWORD :'warehouse_password';
CREATE DATABASE airflow OWNER airflow;
CREATE DATABASE warehouse OWNER crm_warehouse;
-- Each database is its owner's alone.
REVOKE ALL ON DATABASE airflow FROM PUBLIC;
REVOKE ALL ON DATABASE warehouse FROM PUBLIC;
