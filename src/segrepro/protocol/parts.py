"""From a study to the part that one stage sees."""

from segrepro import registry
from segrepro.errors import UserError
from segrepro.protocol import stages
from segrepro.protocol.recipe import Recipe
from segrepro.protocol.study import PHANTOM, Study


def phantom_stage(study: Study, dataset: str) -> stages.PhantomStage:
    """Return what ``segrepro phantom`` needs."""
    base = dataset.removesuffix(PHANTOM)
    registry.check_known(base, list(study.paper.demo.cases), kind=f"demo data set of {study.name}")
    demo = study.paper.demo
    return stages.PhantomStage(dataset=base, cases=demo.cases[base], seed=demo.seed)


def slice_stage(study: Study, dataset: str) -> stages.SliceStage:
    """Return what ``segrepro slice`` needs."""
    return stages.SliceStage(slicing=study.dataset(dataset).slicing)


def split_stage(study: Study, dataset: str) -> stages.SplitStage:
    """Return what ``segrepro split`` needs."""
    return stages.SplitStage(split=study.split(dataset))


def _recipe(study: Study) -> Recipe:
    changes: dict[str, object] = {"epochs": study.recipe_epochs()}
    if study.settings.precision:
        changes["precision"] = study.settings.precision
    return study.recipe.model_copy(update=changes)


def _network(study: Study, model: str) -> stages.Network:
    protocol = study.model(model)
    return stages.Network(name=protocol.network, options=protocol.options)


def train_stage(study: Study, dataset: str, model: str, run: str) -> stages.TrainStage:
    """Return what ``segrepro train`` needs."""
    data = study.dataset(dataset)
    registry.check_known(run, list(study.run_names(dataset)), kind="run")
    return stages.TrainStage(
        run=run,
        network=_network(study, model),
        classes=data.classes,
        normalisation=data.normalisation,
        recipe=_recipe(study),
        when_both_empty=study.paper.scoring.when_both_empty,
    )


def predict_stage(study: Study, dataset: str, model: str, run: str) -> stages.PredictStage:
    """Return what ``segrepro predict`` needs."""
    train = train_stage(study, dataset, model, run)
    return stages.PredictStage(
        run=run,
        network=train.network.from_scratch(),
        classes=train.classes,
        normalisation=train.normalisation,
        checkpoint=train.recipe.checkpoint,
        threshold=train.recipe.threshold,
        outputs=train.recipe.outputs,
    )


def score_stage(study: Study, dataset: str) -> stages.ScoreStage:
    """Return what ``segrepro score`` needs."""
    scoring = study.paper.scoring
    return stages.ScoreStage(
        classes=study.dataset(dataset).classes,
        metrics=scoring.metrics,
        when_both_empty=scoring.when_both_empty,
    )


def complexity_stage(study: Study, model: str) -> stages.ComplexityStage:
    """Return what ``segrepro complexity`` needs."""
    return stages.ComplexityStage(
        network=_network(study, model), counted_with=study.model(model).counted_with
    )


def study_part(study: Study) -> stages.StudyPart:
    """Return what every study-level stage says about what was run on what."""
    return stages.StudyPart(
        study=study.name,
        synthetic=study.is_demo,
        shortened=study.shortened(),
        datasets={name: data.label for name, data in study.datasets.items()},
        models={name: model.label for name, model in study.models.items()},
        runs=study.runs,
        checkpoint=study.recipe.checkpoint,
    )


def claims_stage(study: Study) -> stages.ClaimsStage:
    """Return what ``segrepro claims`` needs."""
    return stages.ClaimsStage(
        part=study_part(study),
        claims=study.paper.claims,
        suffix=study.suffix,
        networks={name: model.network for name, model in study.paper.models.items()},
        absent=study.absent,
    )


def table_stage(study: Study, name: str) -> stages.TableStage:
    """Return what ``segrepro tables`` needs for one table."""
    registry.check_known(name, list(study.paper.tables), kind=f"table of {study.name}")
    return stages.TableStage(part=study_part(study), name=name, spec=study.paper.tables[name])


def figure_stage(study: Study, name: str) -> stages.FigureStage:
    """Return what ``segrepro figures`` needs for one figure."""
    registry.check_known(name, list(study.paper.figures), kind=f"figure of {study.name}")
    return stages.FigureStage(
        part=study_part(study),
        name=name,
        spec=study.paper.figures[name],
        classes={name: data.classes for name, data in study.datasets.items()},
    )


def report_stage(study: Study) -> stages.ReportStage:
    """Return what ``segrepro report`` needs."""
    paper = study.paper
    return stages.ReportStage(
        part=study_part(study),
        citation=paper.citation,
        recipe=_recipe(study),
        tables=paper.tables,
        figures=paper.figures,
        unstated=paper.unstated,
        contradictions=paper.contradictions,
    )


def named_slicing(studies: tuple[Study, ...], dataset: str, slicing: str) -> stages.SliceStage:
    """Return the slicing of that name, which all studies that use it must agree on."""
    found = {
        study.name: slice_stage(study, dataset)
        for study in studies
        if dataset in study.sliced and study.dataset(dataset).slicing.name == slicing
    }
    if len({stage.canonical_json() for stage in found.values()}) > 1:
        raise UserError(
            f"{', '.join(found)} mean different things by slicing {slicing!r} of {dataset}.",
            "Give one of them another slicing name in config/papers.",
        )
    if not found:
        raise UserError(
            f"no study in this run slices {dataset} as {slicing!r}.",
            "Select its paper (papers=..., tier=...) or correct the name.",
        )
    return next(iter(found.values()))
