"""`python -m goldenami.local.aws`: the process behind `LocalAws.start()`.

The garbage collector is off while botocore's models are parsed, which takes a third off the start; what was loaded is then kept out of
its sight.
"""

import gc


def main() -> None:
    gc.disable()
    from goldenami.local.aws import hosting  # imported late: most of the start is this line

    hosting.main(ready=_collect_again)


def _collect_again() -> None:
    gc.freeze()
    gc.enable()


if __name__ == "__main__":
    main()
