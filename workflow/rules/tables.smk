"""Make one table of a paper, as csv, Markdown and LaTeX.

INPUT   the ledger, the scores of every run, the complexity of every model
OUTPUT  results/{study}/tables/{table}.csv, .md, .tex
"""


rule tables:
    input:
        ledger="results/{study}/claims.csv",
        scores=dag.of_runs("scores.parquet"),
        complexity=dag.complexities,
    output:
        csv=report(
            "results/{study}/tables/{table}.csv",
            caption="../report/table.rst",
            category="{study}",
            subcategory="tables",
            labels={"table": "{table}"},
        ),
        md="results/{study}/tables/{table}.md",
        tex="results/{study}/tables/{table}.tex",
    log:
        "logs/{study}/tables/{table}.log",
    localrule: True
    params:
        protocol=dag.table_protocol,
        code=dag.table_code,
        overrides=dag.overrides,
    message:
        "Making {wildcards.table} of {wildcards.study}"
    shell:
        "python -m segrepro tables {wildcards.study} {wildcards.table} {params.overrides}"
        " --results results/{wildcards.study} --claims {input.ledger} --out $(dirname {output.csv}) 2> {log}"
