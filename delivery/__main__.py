"""`python -m delivery plan|release|retrain TARGET`, as the Makefile calls it."""

import argparse
import sys

from .commands import DeliveryError, read_bundle, require_branch, require_clean, run_bundle
from .plan import draw_plan, find_differences, load_plan, save_plan
from .training import retrain


def plan(target: str) -> None:
    """Show what a deploy would change, and keep it for the release."""
    run_bundle("plan", target=target)
    drawn = draw_plan(target)
    file = save_plan(drawn)
    print(f"Wheel: {drawn['wheel']}\nKept in plan/{file.name}.")
    print(f"Next: make release TARGET={target}, which deploys this and nothing else.")


def release(target: str) -> None:
    """Deploy what was planned, if a plan drawn now is the same.

    Raises:
        DeliveryError: There is no plan, or it would deploy something else.
    """
    planned = load_plan(target)
    require_clean()
    require_branch(read_bundle("validate", target=target)["bundle"]["git"].get("branch"))
    if differences := find_differences(planned, draw_plan(target)):
        listed = "\n  ".join(differences)
        raise DeliveryError(
            f"What would be deployed is not what was planned:\n  {listed}\n"
            f"Nothing was deployed. Plan again (make plan TARGET={target}), and have that approved."
        )
    print("The plan still holds.", flush=True)
    run_bundle("deploy", target=target)
    print(f"Next: make retrain TARGET={target}, which trains if its code has changed.")


def main() -> None:
    """Run one verb; a refusal is one message and exit code 1."""
    parser = argparse.ArgumentParser(prog="delivery", description=__doc__)
    parser.add_argument("verb", choices=["plan", "release", "retrain"])
    parser.add_argument("target", help="a target of databricks.yml")
    arguments = parser.parse_args()
    try:
        match arguments.verb:
            case "plan":
                plan(arguments.target)
            case "release":
                release(arguments.target)
            case _:
                print(retrain(arguments.target))
    except DeliveryError as error:
        sys.exit(f"delivery: {error}")


if __name__ == "__main__":
    main()
