"""Get a data set's published bytes, or say how to get them.

INPUT   the publisher, or files already in data/raw/{dataset}/
OUTPUT  data/raw/{dataset}/ and its manifest (path, bytes, sha256)
"""


rule fetch:
    output:
        manifest="data/raw/{dataset}.manifest.csv",
    log:
        "logs/fetch/{dataset}.log",
    wildcard_constraints:
        dataset="[a-z0-9_]+",
    localrule: True
    message:
        "Getting the published bytes of {wildcards.dataset}"
    shell:
        "python -m segrepro fetch {wildcards.dataset}"
        " --raw data/raw/{wildcards.dataset} --manifest {output.manifest} 2>&1 | tee {log}"
