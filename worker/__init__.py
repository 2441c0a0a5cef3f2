"""The scoring engine and its RQ worker."""

import os

# Before numpy: a worker has one core, and OpenBLAS sums in another order with another number of threads.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
