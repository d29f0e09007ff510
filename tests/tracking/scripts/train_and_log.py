# SPDX-License-Identifier: Apache-2.0
"""A script as people have it: scikit-learn, logged by hand. It knows MLflow, and nothing of us."""

import tempfile
from pathlib import Path

import mlflow
from sklearn.datasets import load_iris
from sklearn.linear_model import SGDClassifier

X, y = load_iris(return_X_y=True)
mlflow.set_experiment("by hand")
with mlflow.start_run(run_name="sgd") as run:
    model = SGDClassifier(random_state=0)
    mlflow.log_params(model.get_params())
    for epoch in range(5):
        model.partial_fit(X, y, classes=[0, 1, 2])
        mlflow.log_metric("accuracy", model.score(X, y), step=epoch)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "coefficients.csv").write_text("\n".join(map(str, model.coef_.ravel())))
        mlflow.log_artifacts(folder, "model")
print(run.info.run_id)
