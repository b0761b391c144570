"""Take the workflow into wheel and sources; all else is in pyproject.toml."""

import sys
from pathlib import Path

from setuptools import Command, setup
from setuptools.command.build import build

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "scripts"))

from mmdet_flow import PACKED  # noqa: E402
from mmdet_flow.project_files import files_around  # noqa: E402


class BuildProject(Command):
    """Copy what is around the package in a checkout to where a wheel has it."""

    editable_mode = False

    def initialize_options(self):
        self.build_lib = None

    def finalize_options(self):
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self):
        if not self.editable_mode:
            for target, source in self.get_output_mapping().items():
                self.mkpath(str(Path(target).parent))
                self.copy_file(source, target)

    def get_source_files(self):
        return [path.as_posix() for path in files_around(ROOT)]

    def get_output_mapping(self):
        # An editable installation finds the checkout around it.
        files = [] if self.editable_mode else self.get_source_files()
        target = Path(self.build_lib, PACKED.parent.name, PACKED.name)
        return {str(target / one): one for one in files}

    def get_outputs(self):
        return [*self.get_output_mapping()]


build.sub_commands.append(("build_project", None))
setup(cmdclass={"build_project": BuildProject})
