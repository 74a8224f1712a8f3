"""What Airflow's triggerer waits for; it sees this package, but no bundle."""
