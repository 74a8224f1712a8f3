"""Takes requests of a quota as one of several processes, and notes when.

Arguments: source account, number of requests. The connection string and ``go`` come on
standard input. Prints ``ready``, then one line a request: the instants, in seconds,
between which it was counted.
"""

import sys
import time

import psycopg


def main(account: str, count: int) -> None:
    conninfo = sys.stdin.readline().strip()
    with psycopg.connect(conninfo, autocommit=True) as conn:
        print("ready", flush=True)
        sys.stdin.readline()
        for _ in range(count):
            while True:
                asked = time.time()
                row = conn.execute("SELECT ops.take_quota(%s)", [account]).fetchone()
                if row is not None and row[0] == 0:
                    break
                time.sleep(row[0] if row else 0)
            print(asked, time.time())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
