"""The scoring engine and its RQ worker."""

import os

# Before numpy: OpenBLAS sums in another order with each number of threads, and rewards must not depend on the machine's.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
