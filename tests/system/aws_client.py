"""A program with an AWS client in it, one for its whole life: it lists buckets again and again and writes a JSON line for
each call. Under the interpreter and the botocore of the distribution.

  aws_client.py ENDPOINT FILE CALLS EVERY     at: epoch seconds when the call began, took: seconds, said: "ok" or why not"""

import json
import os
import sys
import time

import botocore.config
import botocore.session


def call(client):
    began = time.time()
    try:
        client.list_buckets()
        said = "ok"
    except Exception as error:  # whatever it is, the test reads it
        said = f"{type(error).__name__}: {error}"
    return {"at": began, "took": time.time() - began, "said": said}


def main(endpoint, path, calls, every):
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    config = botocore.config.Config(retries={"total_max_attempts": 1})
    client = botocore.session.get_session().create_client("s3", endpoint_url=endpoint, config=config)
    began = time.monotonic()
    with open(path, "w", encoding="ascii") as file:
        for nth in range(int(calls)):
            time.sleep(max(0.0, began + nth * float(every) - time.monotonic()))
            file.write(json.dumps(call(client)) + "\n")
            file.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
