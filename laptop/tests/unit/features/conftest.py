import warnings

import databricks
from laptop.jobs.task_environment import RUNTIME

with warnings.catch_warnings():
    # MLflow warns while it is imported, which the test run would take for an error.
    warnings.simplefilter("ignore")
    import mlflow.pyfunc  # noqa: F401

# The SDK may have been imported before, with a path that knew nothing of the runtime.
databricks.__path__.append(str(RUNTIME / "databricks"))
