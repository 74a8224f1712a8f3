"""Load CRM systems into PostgreSQL, exactly once, and prove it.

Floors, from the top; imports point down only (checked by import-linter):

- ``cli``, ``operators``, ``triggers``, ``web``: the faces people and Airflow use
- ``hooks``: Airflow connection -> client, warehouse
- ``engine``: extract -> merge -> verify; knows PostgreSQL, not Airflow
- ``clients``: one API each over one shared request path
- ``connections``, ``spec``, ``unified``, ``errors``: the words
"""
