"""Write the page that people read.

INPUT   the ledger, every table and figure, and how each run was made
OUTPUT  results/{study}/report.html
"""


rule report:
    input:
        ledger="results/{study}/claims.csv",
        tables=dag.tables,
        figures=dag.figures,
        facts=dag.of_runs("train.json"),
        scores=dag.of_runs("scores.parquet"),
        complexity=dag.complexities,
        template="src/segrepro/report/report.html.j2",
        style="src/segrepro/report/report.css",
    output:
        page=report(
            "results/{study}/report.html",
            caption="../report/page.rst",
            category="{study}",
            labels={"page": "report"},
        ),
    log:
        "logs/{study}/report.log",
    localrule: True
    params:
        protocol=dag.report_protocol,
        code=dag.report_code,
        overrides=dag.overrides,
    message:
        "Writing the page of {wildcards.study}"
    shell:
        "python -m segrepro report {wildcards.study} {params.overrides}"
        " --results results/{wildcards.study} --out {output.page} 2> {log}"
