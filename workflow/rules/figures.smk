"""Draw one figure of a paper.

INPUT   history, predictions and scores of every run; the slices of every data set; the ledger
OUTPUT  results/{study}/figures/{figure}.svg and .png
"""


rule figures:
    input:
        ledger="results/{study}/claims.csv",
        history=dag.of_runs("history.csv"),
        predictions=dag.of_runs("predictions.npz"),
        scores=dag.of_runs("scores.parquet"),
        images=dag.all_slices("images.npy"),
        masks=dag.all_slices("masks.npy"),
    output:
        svg=report(
            "results/{study}/figures/{figure}.svg",
            caption="../report/figure.rst",
            category="{study}",
            subcategory="figures",
            labels={"figure": "{figure}"},
        ),
        png="results/{study}/figures/{figure}.png",
    log:
        "logs/{study}/figures/{figure}.log",
    params:
        protocol=dag.figure_protocol,
        code=dag.figure_code,
        overrides=dag.overrides,
    message:
        "Drawing {wildcards.figure} of {wildcards.study}"
    shell:
        "python -m segrepro figures {wildcards.study} {wildcards.figure} {params.overrides}"
        " --results results/{wildcards.study} --claims {input.ledger} --out $(dirname {output.svg}) 2> {log}"
