"""Train one run. A killed run goes on where it stopped.

INPUT   slices and split of the run's data set; the published weights that its network begins
        with, if the paper's YAML names some (`pretrained`)
OUTPUT  results/{study}/{dataset}/{model}/{run}/model.safetensors (the weights that the paper's
        protocol keeps), last.safetensors (those of the last epoch), history.csv, train.json
"""


rule train:
    input:
        images=dag.slices_file("images.npy"),
        masks=dag.slices_file("masks.npy"),
        table=dag.slices_file("slices.parquet"),
        split="data/splits/{study}/{dataset}.csv",
        pretrained=dag.pretrained,
    output:
        weights="results/{study}/{dataset}/{model}/{run}/model.safetensors",
        last="results/{study}/{dataset}/{model}/{run}/last.safetensors",
        history="results/{study}/{dataset}/{model}/{run}/history.csv",
        facts="results/{study}/{dataset}/{model}/{run}/train.json",
    log:
        "logs/{study}/train/{dataset}.{model}.{run}.log",
    threads: dag.train_threads
    resources:
        gpu=1,
        mem_mb=dag.train_mb,
    params:
        protocol=dag.train_protocol,
        code=dag.train_code,
    message:
        "Training {wildcards.model} on {wildcards.dataset}, {wildcards.run}"
    shell:
        "python -m segrepro train"
        " {wildcards.study}/{wildcards.dataset}/{wildcards.model}/{wildcards.run}"
        " --protocol {params.protocol:q} --slices $(dirname {input.table}) --split {input.split}"
        " --out $(dirname {output.weights}) --threads {threads} --gpus {resources.gpu}"
        " 2>&1 | tee {log}"
