#!/usr/bin/env bash
# Snakemake, a workflow that is read from git (git+file:, github, gitlab): the files that
# workflow.source_path hands to a rule are not those of the repository. They pass through
# GitPython as text: Repo.git.show() decodes what git prints and takes the last newline off, and
# Snakemake encodes the rest. So each text file lacks its end, by which "while read" in a shell
# never sees the last line of a list, and checksums differ. A file that is not text (an image, a
# font, small weights) stops the run with a UnicodeEncodeError that names the Snakefile only.
# In a checkout of the same commit both are well, so tests there do not find it.
# What helps: deploy a checkout; or let a rule fetch such files.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet snakemake==9.27.1 gitpython==3.2.1
export PATH=$folder/venv/bin:$PATH XDG_CACHE_HOME=$folder/cache

mkdir -p repository/workflow/resources
printf 'red\ngreen\nblue\n' > repository/workflow/resources/list.txt
echo weights | gzip -n > repository/workflow/resources/weights.gz
cat > repository/workflow/text.smk <<'END'
rule text:
    input: workflow.source_path("resources/list.txt")
    output: "text.txt"
    shell: "while read -r name; do echo $name; done < {input} > {output}"
END
cat > repository/workflow/binary.smk <<'END'
rule binary:
    input: workflow.source_path("resources/weights.gz")
    output: "binary.txt"
    shell: "gunzip -c {input} > {output}"
END
git -C repository init --quiet
git -C repository add .
git -C repository -c user.name=me -c user.email=me@localhost commit --quiet --message one
git -C repository tag one

result() { # of the rule $2 in the workflow at $1, at the tag $3
  mkdir run
  if snakemake --snakefile "$1/workflow/$2.smk${3:-}" --directory run --cores 1 > run.log 2>&1; then
    xargs < "run/$2.txt"
  else
    grep -o '^[A-Za-z]*Error' run.log
  fi
  rm -r run
}
found=$(
  for rule in text binary; do
    echo "$rule, checkout: $(result repository $rule)"
    echo "$rule, git+file: $(result "git+file://$folder/repository" $rule @one)"
  done
)
echo "snakemake $(snakemake --version), GitPython 3.2.1; a list of red, green, blue"
echo "$found"
diff - <(echo "$found") <<'END' || { echo "the behaviour changed"; exit 1; }
text, checkout: red green blue
text, git+file: red green
binary, checkout: weights
binary, git+file: UnicodeEncodeError
END
