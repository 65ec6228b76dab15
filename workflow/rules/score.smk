"""Score the predictions of one run, and the constant prediction beside them.

INPUT   the run's predictions and the slices' masks
OUTPUT  results/{study}/{dataset}/{model}/{run}/scores.parquet (case or slice x class x metric)
"""


rule score:
    input:
        predictions="results/{study}/{dataset}/{model}/{run}/predictions.npz",
        masks=dag.slices_file("masks.npy"),
        table=dag.slices_file("slices.parquet"),
    output:
        scores="results/{study}/{dataset}/{model}/{run}/scores.parquet",
    log:
        "logs/{study}/score/{dataset}.{model}.{run}.log",
    params:
        protocol=dag.score_protocol,
        code=dag.score_code,
    message:
        "Scoring {wildcards.model} on {wildcards.dataset}, {wildcards.run}"
    shell:
        "python -m segrepro score"
        " {wildcards.study}/{wildcards.dataset}/{wildcards.model}/{wildcards.run}"
        " --protocol {params.protocol:q} --predictions {input.predictions}"
        " --slices $(dirname {input.table}) --out {output.scores} 2> {log}"
