"""Predict the held-out cases of one run, with the kept and with the last weights.

INPUT   the run's weights, slices and split
OUTPUT  results/{study}/{dataset}/{model}/{run}/predictions.npz
"""


rule predict:
    input:
        images=dag.slices_file("images.npy"),
        table=dag.slices_file("slices.parquet"),
        split="data/splits/{study}/{dataset}.csv",
        weights="results/{study}/{dataset}/{model}/{run}/model.safetensors",
        last="results/{study}/{dataset}/{model}/{run}/last.safetensors",
    output:
        predictions="results/{study}/{dataset}/{model}/{run}/predictions.npz",
    log:
        "logs/{study}/predict/{dataset}.{model}.{run}.log",
    threads: dag.train_threads
    resources:
        gpu=1,
        mem_mb=4000,
    params:
        protocol=dag.predict_protocol,
        code=dag.model_code("segrepro.inference.predict"),
    message:
        "Predicting with {wildcards.model} on {wildcards.dataset}, {wildcards.run}"
    shell:
        "python -m segrepro predict"
        " {wildcards.study}/{wildcards.dataset}/{wildcards.model}/{wildcards.run}"
        " --protocol {params.protocol:q} --slices $(dirname {input.table}) --split {input.split}"
        " --weights {input.weights} --last {input.last} --out {output.predictions}"
        " --threads {threads} --gpus {resources.gpu} 2>&1 | tee {log}"
