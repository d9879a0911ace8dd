"""`steelyard data check` and `steelyard data labels`: is a data set whole, and what its labels are."""

from typing import Any

from jsonargparse import Namespace

from steelyard.cli.parser import Parser, add_whole, listed, names

HELP = """Data sets of images. `check`: read every image that counts, name what is missing or damaged and where it
belongs, count what the labels hold. `labels`: write the labels as a table that `steelyard audit --labels` reads."""


def add_options(parser: Parser) -> None:
    """Declare the options."""
    parser.add_argument("what", choices=["check", "labels"], help="what to do")
    parser.add_argument(
        "source",
        metavar="DIR",
        help="the data set's folder, a table of images, for scenes and portraits a YAML of its settings or the word "
        "default; labels: or a training configuration",
    )
    parser.add_argument(
        "--dataset",
        metavar="NAME",
        help="coco, imsitu, celeba, table, scenes or portraits (default: by its files; a YAML is one of scenes)",
    )
    parser.add_argument("--protected", metavar="NAME", help="protected attribute (default: the data set's usual one)")
    parser.add_argument("--target", metavar="COL", help="table: column of the categories")
    parser.add_argument(
        "--targets", metavar="A,B,…", help="celeba, table, portraits: names, globs or @file (default: all)"
    )
    parser.add_argument("--id", metavar="COL", help="table: column of ids (default: image, id or the paths)")
    parser.add_argument("--split-column", metavar="COL", help="table: column of train / val / test (default: split)")
    parser.add_argument("--path-column", metavar="COL", help="table: column of the images' files (default: path)")
    parser.add_argument("--images", metavar="DIR", help="folder of the images, where it is not in DIR")
    add_whole(parser, "--year", help="coco: 2014 or 2017 (default: the one that is there)")
    parser.add_argument(
        "--words", metavar="G=a,b;H=c", type=Any, help="coco, imsitu: words or nouns that name a group, or @file"
    )
    parser.add_argument("--splits", metavar="FILE", help="coco: table of image ids and splits; only these count")
    parser.add_argument("--rule", help="imsitu: agree, majority or unanimous (default: agree)")
    parser.add_argument("--verbs", metavar="A,B,…", help="imsitu: the verbs to keep, or @file (default: all)")
    parser.add_argument("--quiet", action="store_true", help="no progress on stderr")
    parser.add_argument("--config", action="config", metavar="FILE", help="YAML file of these options, without dashes")
    parser.add_argument("--out", metavar="FILE", help="labels: .csv or .parquet to write")


def run(options: Namespace, command: list[str]) -> None:
    """Check or write, and print what was found."""
    from steelyard.base.errors import InputError
    from steelyard.datasets.catalog import DataOptions
    from steelyard.jobs.data import read_names, read_words, run_check, run_labels
    from steelyard.jobs.data_section import is_configuration, run_config_labels
    from steelyard.jobs.progress import on_stderr

    chosen = DataOptions(
        protected=options.protected,
        target=options.target,
        targets=listed(options.targets),
        id_column=options.id,
        split_column=options.split_column,
        path_column=options.path_column,
        images=options.images,
        year=options.year,
        words=read_words(options.words),
        splits=options.splits,
        rule=options.rule,
        verbs=read_names(names(options.verbs)),
    )
    if (options.out is None) == (options.what == "labels"):
        found = "none" if options.out is None else f"--out {options.out} with check"
        do = "name it" if options.out is None else "drop it"
        raise InputError(f"--out: expected a file with labels only, found {found}; {do}")
    with on_stderr(quiet=options.quiet) as progress:
        if options.what == "labels" and is_configuration(options.source):
            if chosen != DataOptions() or options.dataset is not None:
                do = "change the file, or name the data set itself"
                raise InputError(f"{options.source}: expected no other option of the data beside it, found one; {do}")
            dataset = run_config_labels(options.source, out=options.out, progress=progress)
        elif options.what == "labels":
            dataset = run_labels(options.dataset, options.source, out=options.out, options=chosen, progress=progress)
        else:
            found_out = run_check(options.dataset, options.source, options=chosen, progress=progress)
    if options.what == "labels":
        print("\n".join(map(str, dataset.selections())))
        print(f"\nThe labels: {options.out}")
        return
    print(found_out, flush=True)
    if found_out.faults:
        raise InputError(f"{found_out.source}: {found_out.faults}")
