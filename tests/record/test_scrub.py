from pathlib import Path

import pytest

from mmdet_flow.record.scrub import Scrubber


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Users, passwords and queries of addresses.
        ("s3://key:pass@host/data", "s3://***@host/data"),
        ("redis://:pass@host:6379/0", "redis://***@host:6379/0"),
        ("https://a.org/x?X-Amz-Signature=abc&y=1", "https://a.org/x?***"),
        ("https://a.org/x", "https://a.org/x"),
        # Options and assignments by their names.
        ("--redis_password geheim --score 0.3", "--redis_password *** --score 0.3"),
        ("--token=abc --quiet", "--token=*** --quiet"),
        ("--api-key 'a b' x", "--api-key *** x"),
        ("AWS_SECRET_ACCESS_KEY=abc mmdet_x", "AWS_SECRET_ACCESS_KEY=*** mmdet_x"),
        ('{"password": "abc"}', '{"password": ***}'),
        # Words that are no names of secrets.
        ("--classes token coin", "--classes token coin"),
        ("model.tokenizer=3", "model.tokenizer=3"),
        # Places.
        ("mmdet_check /home/alice/data", "mmdet_check .../data"),
        ("--images=/scratch/bob/my/x.png", "--images=.../x.png"),
        ("/srv/flow/results/a/run.json", "results/a/run.json"),
        ("a/b c/d 2> logs/x.log", "a/b c/d 2> logs/x.log"),
        ("the value xyzzyx-17 of a variable", "the value *** of a variable"),
    ],
)  # fmt: skip
def test_secrets_and_places_are_taken_out(text, expected):
    scrub = Scrubber(Path("/srv/flow"), {"MY_TOKEN": "xyzzyx-17", "PASSWORD": "ab"})
    assert scrub(text) == expected
    assert scrub({"a": [text]}) == {"a": [expected]}


def test_values_of_secret_keys_are_hidden_whatever_they_are():
    scrub = Scrubber(environment={})
    given = {"api_key": 12345678, "token": None, "nested": {"password": ["x"]}, "n": 3}
    hidden = {"api_key": "***", "token": None, "nested": {"password": "***"}, "n": 3}
    assert scrub(given) == hidden
