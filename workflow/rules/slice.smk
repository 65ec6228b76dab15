"""Cut cases into the arrays that networks see.

INPUT   data/cases/{dataset}/cases.csv
OUTPUT  data/slices/{dataset}/{slicing}/images.npy, masks.npy and slices.parquet
"""


rule slice:
    input:
        cases="data/cases/{dataset}/cases.csv",
        dataset="data/cases/{dataset}/dataset.json",
    output:
        images="data/slices/{dataset}/{slicing}/images.npy",
        masks="data/slices/{dataset}/{slicing}/masks.npy",
        table="data/slices/{dataset}/{slicing}/slices.parquet",
    log:
        "logs/slice/{dataset}.{slicing}.log",
    resources:
        mem_mb=3000,
    params:
        protocol=dag.slice_protocol,
        code=code_digest("segrepro.slices.write"),
    message:
        "Slicing {wildcards.dataset} as {wildcards.slicing}"
    shell:
        "python -m segrepro slice {wildcards.dataset} --protocol {params.protocol:q}"
        " --cases $(dirname {input.cases}) --out $(dirname {output.table}) 2>&1 | tee {log}"
