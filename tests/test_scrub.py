import time
from pathlib import Path

import pytest

from mmdet_flow.errors import DataError, ModelError, UsageError
from mmdet_flow.scrub import Scrubber, for_clients, shown


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
        ("mmdet-flow data check /home/alice/data", "mmdet-flow data check .../data"),
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


@pytest.mark.parametrize(
    "name",
    [
        *("DB_PASS", "MY_PW", "MYSQL_PWD", "PGPASSWORD", "REDISCLI_AUTH", "HF_TOKEN"),
        *("SMTP_PASSWD", "SIGNING_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"),
        *("AWS_SESSION_TOKEN", "APP_CREDENTIALS", "SESSION_COOKIE", "dbPassword"),
        *("MLFLOW_TRACKING_PASSWORD", "apiKey", "ssh-key", "login.pw", "JWT"),
    ],
)
def test_a_secret_is_known_by_its_name(name):
    in_environment = Scrubber(environment={name: "xyzzyx-17"})
    assert in_environment("it is xyzzyx-17") == "it is ***"
    scrub = Scrubber(environment={})
    assert scrub({name: "xyzzyx"}) == {name: "***"}
    texts = (
        *(f"--{name} {{}} --quiet", f"--{name}={{}} --quiet", f"{name}={{}} mmdet_x"),
        *(f"{name}: {{}}", f"'{name}': {{}}", f'{{{{"{name}": {{}}}}}}'),
    )
    for text in texts:
        for value in ("xyzzyx", "'xyz zyx'", '"xyz zyx"', '\\"xyz zyx\\"'):
            said = scrub(text.format(value))
            assert "zyx" not in said and "***" in said, (text, value, said)
    assert scrub(f"--{name} xyzzyx --quiet") == f"--{name} *** --quiet"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Authorization: Bearer ab.cd-ef", "Authorization: ***"),
        ("-H 'authorization: Basic dXNlcjpwYXNz' x", "-H 'authorization: ***' x"),
        ("Cookie: a=xyz; b=zyx", "Cookie: ***"),
        ("sent Bearer ab.cd-ef, refused", "sent Bearer ***, refused"),
        ("sent Basic dXNlcjpwYXNz", "sent Basic ***"),
        ("mysql+pymysql://u:p/a@b@host/db", "mysql+pymysql://***@host/db"),
        ("rediss://user:pa:ss@host:6379", "rediss://***@host:6379"),
        ("/v1?X-Amz-Signature=abc&n=3", "/v1?X-Amz-Signature=***&n=3"),
        ("blob?sv=2&sig=abc", "blob?sv=2&sig=***"),
    ],
)
def test_a_secret_is_known_by_its_scheme(text, expected):
    assert Scrubber(environment={})(text) == expected
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("--score 0.3 --passes 3", "model.keypoints=17", "keypoint_head: x"),
        *("tokenizer: bert", "max_tokens=256", "--author alice", "bypass: 3"),
        *("pw_conv=3", "pass_through=True", "auth_method=none", "compass=3"),
        *("--password-file pw.txt", "--redis_password_env NAME", "--sort_key name"),
        *("basic training: 3 images", "Basic shapes", "https://a.org:80/x@v1"),
        *("primary_key: id", "monkey: 3", "keys=3", "secondary=3", "key_indicator=x"),
    ],
)
def test_what_is_no_secret_stays(text):
    assert Scrubber(environment={"PWD": "score 0.3", "OLDPWD": "images"})(text) == text


def test_what_a_terminal_would_obey_is_escaped():
    text = "cell\x1b]0;title\x07 red\u2028\x85 \u200d\u0301 ü\n\tdone"
    escaped = "cell\\x1b]0;title\\x07 red\\u2028\\x85 \u200d\u0301 ü\n\tdone"
    assert shown(text) == escaped


@pytest.mark.parametrize(
    "part",
    ["a", "a-", "pass", "token_", "http://", "http://a?", "a://u:", "--", "?sig", "/a"],
)
def test_a_long_text_takes_no_longer_than_it_is(part):
    started = time.process_time()
    Scrubber()(shown(part * 20_000))
    assert time.process_time() - started < 20


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (UsageError("tile size 16: too small; raise it"), None),
        (ModelError("/srv/a/m.pth: is damaged; replace it"), ".../m.pth: is damaged"),
        (DataError("a\nb"), "a\\nb"),
        (OSError(2, "there is no file", "/srv/a/m.pth"), "FileNotFoundError"),
        (KeyError("token"), "KeyError"),
    ],
)
def test_clients_are_told_what_a_user_can_correct(error, told):
    assert for_clients(error).startswith(told or str(error))
    assert "/srv" not in for_clients(error) and "\n" not in for_clients(error)
