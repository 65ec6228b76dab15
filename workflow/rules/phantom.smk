"""Write synthetic raw data in a publisher's exact layout.

INPUT   nothing
OUTPUT  data/raw/{dataset}-phantom/ and its manifest
"""


rule phantom:
    output:
        manifest="data/raw/{dataset}-phantom.manifest.csv",
    log:
        "logs/phantom/{dataset}.log",
    wildcard_constraints:
        dataset="[a-z0-9_]+",
    params:
        protocol=dag.phantom_protocol,
        code=dag.phantom_code,
    message:
        "Writing a phantom of {wildcards.dataset}"
    shell:
        "python -m segrepro phantom {wildcards.dataset} --protocol {params.protocol:q}"
        " --raw data/raw/{wildcards.dataset}-phantom --manifest {output.manifest} 2>&1 | tee {log}"
