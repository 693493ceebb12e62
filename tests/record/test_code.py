"""The digest of the code: another one as soon as a file that trains or scores is another."""

from league.record import code


def test_the_digest_is_of_the_contents(tmp_path, monkeypatch):
    path = tmp_path / "task.py"
    monkeypatch.setattr(code, "code_files", lambda rules: [path])
    digests = []
    for content in ("a = 1\n", "a = 2\n", "a = 1\n"):
        path.write_text(content)
        digests.append(code.code_digest())
    assert digests[0] == digests[2] != digests[1]
