"""Turn published bytes into cases on their native grid, in the nnU-Net raw layout.

INPUT   data/raw/{dataset}.manifest.csv, which pins data/raw/{dataset}/
OUTPUT  data/cases/{dataset}/cases.csv and dataset.json, beside imagesTr/ and labelsTr/
"""


rule convert:
    input:
        manifest="data/raw/{dataset}.manifest.csv",
    output:
        cases="data/cases/{dataset}/cases.csv",
        dataset="data/cases/{dataset}/dataset.json",
    log:
        "logs/convert/{dataset}.log",
    threads: dag.convert_workers
    resources:
        mem_mb=dag.convert_mb,
    params:
        code=dag.convert_code,
    message:
        "Converting {wildcards.dataset}"
    shell:
        "python -m segrepro convert {wildcards.dataset} --raw data/raw/{wildcards.dataset}"
        " --manifest {input.manifest} --out $(dirname {output.cases})"
        " --workers {threads} 2>&1 | tee {log}"
