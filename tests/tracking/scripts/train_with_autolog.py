# SPDX-License-Identifier: Apache-2.0
"""A script as people have it: it knows MLflow and scikit-learn, and nothing of us."""

import mlflow
import mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

mlflow.sklearn.autolog()
X, y = load_iris(return_X_y=True)
with mlflow.start_run() as run:
    LogisticRegression(max_iter=2000).fit(X, y)
print(run.info.run_id)
