"""Count and time a network on the input for which its paper states a size.

INPUT   nothing
OUTPUT  results/{study}/complexity/{model}.json
"""


rule complexity:
    output:
        facts="results/{study}/complexity/{model}.json",
    log:
        "logs/{study}/complexity/{model}.log",
    params:
        protocol=dag.complexity_protocol,
        code=dag.model_code("segrepro.inference.complexity"),
    message:
        "Counting {wildcards.model}"
    shell:
        "python -m segrepro complexity {wildcards.study}/{wildcards.model}"
        " --protocol {params.protocol:q} --out {output.facts} --threads {threads} 2> {log}"
