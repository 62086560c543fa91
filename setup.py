"""Build of the native modules: one ninja file, flags per file, neither torch nor CMake.

    ally_fast._cpu     always
    ally_fast._cuda    when nvcc 12 or later is found; needs no GPU to build and none to import

    python setup.py build_ext --inplace    both modules, into ally_fast/
    python setup.py emulate                ally_fast._cuda for the host, its kernels emulated
    python setup.py sanitize               the native tests under ASan and UBSan, and ally_fast._cpu
                                           with them, for the tests of Python
    python setup.py sanitize --thread      the native tests under TSan

Environment: CXX, MAX_JOBS, ALLY_FAST_CUDA=auto|0|1, ALLY_FAST_CUDA_ARCHS="80;90;90a;100",
ALLY_FAST_WERROR=0|1 (are warnings errors), ALLY_FAST_LINEINFO=0|1 (source lines in kernels).
"""

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from setuptools import Command, Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
X86 = platform.machine().lower() in ("x86_64", "amd64")
CXX = shlex.split(os.environ.get("CXX") or shutil.which("g++") or "c++")
VERSION = re.search(r'__version__ = "(.+)"', (ROOT / "ally_fast/_version.py").read_text())[1]

# Always baseline machine code, never -march=native: a wheel must run on any machine, and the same
# float64 operations must round alike everywhere (no contraction into fma). Nobody looks at errno or
# at exception flags: giving them up changes no value and lets the compiler vectorise.
CXX_FLAGS = (
    "-std=c++17 -O3 -ffp-contract=off -fno-math-errno -fno-trapping-math -fvisibility=hidden "
    "-fPIC -pthread -Wall -Wextra -Wno-psabi -Icsrc"
).split()
# A file named *_<isa>.cpp is compiled for that instruction set, and called only where it runs.
AVX512 = "-mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mf16c"
ISA_FLAGS = {
    "avx2": "-mavx2 -mfma -mf16c",
    "avx512": AVX512,
    "avx512bf16": f"{AVX512} -mavx512bf16",
    "amx": f"{AVX512} -mavx512bf16 -mamx-tile -mamx-bf16",
}
NVCC_FLAGS = (
    "-std=c++17 -O3 -fmad=false -Xptxas=-v -Icsrc "
    "-Xcompiler -fPIC,-fvisibility=hidden,-Wall,-Wextra,-ffp-contract=off"
).split()
CUDA_SOURCES = ("common/cuda/**/*.cu", "ops/**/*_cuda.cu", "ops/**/*_sm90a.cu")
# No debug information in what is shipped; -s strips the symbols as well.
LINK_FLAGS = ["-shared", "-pthread", "-s"]
if sys.platform == "darwin":
    LINK_FLAGS = ["-bundle", "-undefined", "dynamic_lookup", "-pthread", "-Wl,-x"]
NVCC_LINK_FLAGS = ["-shared", "-cudart=static", "-Xlinker=-s"]
# An sdist meets compilers we have not seen: their new warnings must not stop an installation.
if os.environ.get("ALLY_FAST_WERROR", "0" if (ROOT / "PKG-INFO").exists() else "1") != "0":
    CXX_FLAGS += ["-Werror"]
    NVCC_FLAGS += ["-Werror", "all-warnings", "-Xcompiler", "-Werror"]
if os.environ.get("ALLY_FAST_LINEINFO", "0") != "0":  # for profilers and compute-sanitizer
    NVCC_FLAGS += ["-lineinfo"]


def sources(*patterns):
    """Return the files of csrc that match, sorted, relative to the root."""
    found = {path for pattern in patterns for path in (ROOT / "csrc").glob(pattern)}
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def output_of(*command):
    """Return what a command prints, errors included; None if it fails or does not exist."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout + done.stderr


def quoted(words):
    """Write the words of a command as the shell and ninja read them."""
    return shlex.join(words).replace("$", "$$")


class Ninja:
    """One ninja file, its rules and its folder of objects; paths are relative to the root.

    Files of one folder share what they compile alike: the core, whatever Python a module is for.
    """

    def __init__(self, folder, rules, name="build"):
        self.folder, self.name = folder, name
        self.lines = [f"builddir = {folder}"]
        for name, compiler in rules.items():
            command = f"{quoted(compiler)} $flags -MMD -MF $out.d -c $in -o $out"
            if name == "nvcc":  # what ptxas says of each kernel is kept, see benchmarks/kernels.py
                command += " > $out.log 2>&1 || { cat $out.log; exit 1; }"
            self.lines += [f"rule {name}", f"  command = {command}", f"  description = {name} $in"]
            self.lines += ["  depfile = $out.d", "  deps = gcc"]
        self.lines += ["rule link", "  command = $linker $in -o $out $flags"]
        self.lines += ["  description = link $out"]

    def compile(self, rule, source, flags, below="."):
        """Add an object. Its name keeps the source's ending: op.cpp and op.cu never collide."""
        target = os.path.normpath(f"{self.folder}/{below}/{source}.o")
        self.lines += [f"build {target}: {rule} {source}", f"  flags = {quoted(flags)}"]
        return target

    def link(self, name, objects, linker, flags):
        """Add a shared module or a program."""
        target = f"{self.folder}/{name}"
        self.lines += [f"build {target}: link {' '.join(objects)}"]
        self.lines += [f"  linker = {quoted(linker)}", f"  flags = {quoted(flags)}"]
        return target

    def run(self):
        """Bring everything up to date."""
        file = ROOT / self.folder / f"{self.name}.ninja"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(self.lines) + "\n")
        command = [sys.executable, "-m", "ninja"] if find_spec("ninja") else ["ninja"]
        command += ["-f", file.relative_to(ROOT).as_posix()]
        if jobs := os.environ.get("MAX_JOBS"):
            command += ["-j", jobs]
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit("ally-fast: the native build failed; the compiler's message is above")


def probe_instruction_sets():
    """Return (options of each instruction set the compiler knows, definitions for every file)."""
    known = {}
    for isa, options in ISA_FLAGS.items():
        probe = [*CXX, *options.split(), "-fsyntax-only", "-x", "c++", os.devnull]
        if X86 and output_of(*probe) is not None:
            known[isa] = options.split()
    missing = [f"-DALLY_FAST_NO_{isa.upper()}" for isa in ISA_FLAGS if isa not in known]
    return known, [f"-DALLY_FAST_X86={int(X86)}", *missing]


def compile_core(ninja, flags, isas):
    """Add csrc/common and csrc/ops, less the instruction sets that are not in `isas`."""
    objects = []
    for source in sources("common/**/*.cpp", "ops/**/*.cpp"):
        isa = Path(source).stem.rpartition("_")[2]
        if isa in isas or isa not in ISA_FLAGS:
            objects.append(ninja.compile("cxx", source, flags + isas.get(isa, [])))
    return objects


def find_nvcc():
    """Return the path of nvcc if the CUDA module is to be built, else None."""
    wanted = os.environ.get("ALLY_FAST_CUDA", "auto")
    if wanted not in ("auto", "0", "1"):
        sys.exit(f"ally-fast: ALLY_FAST_CUDA={wanted!r}, needed: auto, 0 or 1")
    folders = [os.environ.get("PATH", ""), "/usr/local/cuda/bin"]
    if home := os.environ.get("CUDA_HOME"):
        folders.insert(0, f"{home}/bin")
    nvcc = shutil.which("nvcc", path=os.pathsep.join(folders))
    release = re.search(r"release (\d+)", output_of(nvcc, "--version") or "") if nvcc else None
    if wanted != "0" and release and int(release[1]) >= 12:
        return nvcc
    if wanted == "1":
        sys.exit("ally-fast: ALLY_FAST_CUDA=1 needs nvcc 12 or later, in CUDA_HOME/bin or on PATH")
    return None


def cuda_architectures():
    """Return (options for portable kernels, options for *_sm90a.cu or None to leave them out)."""
    known = output_of(NVCC, "--list-gpu-arch").split()
    default = [a for a in ("80", "90", "90a", "100") if f"compute_{a.rstrip('a')}" in known]
    asked = os.environ.get("ALLY_FAST_CUDA_ARCHS", "").replace(";", " ").split() or default
    plain = list(dict.fromkeys(arch.rstrip("af") for arch in asked))
    codes = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in plain]
    # PTX of the newest one lets later GPUs run it, compiled by their driver.
    codes += [f"-gencode=arch=compute_{plain[-1]},code=compute_{plain[-1]}"]
    return codes, ["-gencode=arch=compute_90a,code=sm_90a"] if "90a" in asked else None


def code_number(code):
    """Order architectures by number: sm_80, sm_90, sm_90a, sm_100."""
    return int(re.sub(r"\D", "", code)), code


def binding_flags(ninja):
    """Return what only binding files need: Python, pybind11, what to tell in build_info()."""
    import pybind11

    python = sysconfig.get_paths()["include"]
    if not Path(python, "Python.h").exists():
        sys.exit(f"ally-fast: {python}/Python.h is missing; install Python's headers (python3-dev)")
    # A copy at a fixed place: under build isolation pybind11 lies elsewhere each time, and a new
    # path would mean a new command and so a rebuild.
    copy = f"{ninja.folder}/pybind11-{pybind11.__version__}"
    if not (ROOT / copy).exists():
        shutil.copytree(pybind11.get_include(), ROOT / copy)
    told = [f'-DALLY_FAST_VERSION="{VERSION}"', f'-DALLY_FAST_FLAGS="{" ".join(CXX_FLAGS)}"']
    return ["-isystem", copy, "-isystem", python, *told]


class BuildModules(build_ext):
    """Write build.ninja in a folder that stays, run it, hand the modules to setuptools."""

    def build_extensions(self):
        rules = {"cxx": CXX, "nvcc": [NVCC]} if NVCC else {"cxx": CXX}
        python = sysconfig.get_config_var("SOABI")
        ninja = Ninja("build/ninja", rules, name=python)
        binding = binding_flags(ninja)

        isas, definitions = probe_instruction_sets()
        flags = CXX_FLAGS + definitions
        # The binding takes longest and so comes first.
        objects = [
            ninja.compile("cxx", source, flags + binding, below=python)
            for source in sources("binding/cpu/*.cpp")
        ]
        objects += compile_core(ninja, flags, isas)
        modules = {"ally_fast._cpu": ninja.link(f"{python}/_cpu.so", objects, CXX, LINK_FLAGS)}

        if NVCC:
            portable, sm90a = cuda_architectures()
            missing = [] if sm90a else ["-DALLY_FAST_NO_SM90A"]
            codes = re.findall(r"code=(sm_\w+)", " ".join([*portable, *(sm90a or [])]))
            told = f'-DALLY_FAST_CUDA_CODE="{", ".join(sorted(codes, key=code_number))}, PTX"'
            options = [*flags, *missing, *binding, told]
            objects = [
                ninja.compile("cxx", source, options, below=python)
                for source in sources("binding/cuda/*.cpp")
            ]
            for source in sources(*CUDA_SOURCES):
                if options := sm90a if source.endswith("_sm90a.cu") else portable:
                    objects.append(ninja.compile("nvcc", source, NVCC_FLAGS + missing + options))
            options = NVCC_LINK_FLAGS + portable
            modules["ally_fast._cuda"] = ninja.link(f"{python}/_cuda.so", objects, [NVCC], options)

        ninja.run()
        for extension in self.extensions:
            target = Path(self.get_ext_fullpath(extension.name))
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(modules[extension.name], str(target))


class Emulate(Command):
    """Build ally_fast._cuda for the host, its kernels run by csrc/emulator, with ASan and UBSan.

    Beside it the tests of the emulator itself, a program.
    """

    user_options: ClassVar[list[tuple[str, str, str]]] = [
        ("plain", None, "without the sanitizers"),
    ]
    boolean_options: ClassVar[list[str]] = ["plain"]

    def initialize_options(self):
        self.plain = False

    def finalize_options(self):
        pass

    def run(self):
        name = "emulated" if self.plain else "emulated-sanitized"
        ninja = Ninja(f"build/{name}", {"cxx": CXX})
        checks = [] if self.plain else ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        flags = [f for f in CXX_FLAGS if f != "-Werror"]
        flags += ["-O1", "-g", "-Icsrc/emulator", "-Wno-unknown-pragmas"]
        binding = [*flags, *binding_flags(ninja), '-DALLY_FAST_CUDA_CODE="emulated"']
        objects = [
            ninja.compile("cxx", source, binding) for source in sources("binding/cuda/*.cpp")
        ]
        compiled = [*flags, *checks, "-x", "c++"]
        apart = "csrc/emulator/tensor_core.cpp"  # arithmetic alone, most of the time
        emulator = [ninja.compile("cxx", apart, [*flags, "-O3"])]
        for source in sources("emulator/*.cpp"):
            if source != apart:
                emulator.append(ninja.compile("cxx", source, compiled))
        objects += [ninja.compile("cxx", source, compiled) for source in sources(*CUDA_SOURCES)]
        ninja.link("_cuda.so", [*objects, *emulator], CXX, [*checks, "-shared", "-pthread"])
        tests = [ninja.compile("cxx", s, compiled) for s in sources("emulator/tests/*.cpp")]
        ninja.link("test_emulator", [*tests, *emulator], CXX, [*checks, "-pthread"])
        ninja.run()


class Sanitize(Command):
    """Build the core and the native tests with sanitizers, and run them; the binding as well."""

    user_options: ClassVar[list[tuple[str, str, str]]] = [
        ("thread", None, "ThreadSanitizer, and no binding"),
    ]
    boolean_options: ClassVar[list[str]] = ["thread"]

    def initialize_options(self):
        self.thread = False

    def finalize_options(self):
        pass

    def run(self):
        kind = "thread" if self.thread else "address,undefined"
        ninja = Ninja(f"build/sanitize{'-thread' * self.thread}", {"cxx": CXX})
        checks = [f"-fsanitize={kind}", "-fno-sanitize-recover=all"]
        isas, definitions = probe_instruction_sets()
        # The tile instructions are emulated, so that their code is checked on any machine.
        definitions.append("-DALLY_FAST_EMULATE_AMX")
        isas.get("amx", []).extend(["-include", "csrc/tests/amx_emulation.h"])
        # Instrumented code brings false warnings: the ordinary build has already judged them.
        flags = [*CXX_FLAGS, *definitions, *checks, "-O1", "-g", "-Wno-error"]
        core = compile_core(ninja, flags, isas)
        tests = [ninja.compile("cxx", source, flags) for source in sources("tests/*.cpp")]
        program = ninja.link("test_core", [*core, *tests], CXX, [*checks, "-pthread"])
        if not self.thread:
            options = [*flags, *binding_flags(ninja)]
            binding = [ninja.compile("cxx", s, options) for s in sources("binding/cpu/*.cpp")]
            ninja.link("_cpu.so", [*binding, *core], CXX, [*checks, "-shared", "-pthread"])
        ninja.run()
        sys.exit(subprocess.run([ROOT / program], check=False).returncode)


if sys.platform == "win32":
    sys.exit("ally-fast: Windows is not supported; use Linux, in WSL if need be")
NVCC = find_nvcc()
names = ["ally_fast._cpu", "ally_fast._cuda"] if NVCC else ["ally_fast._cpu"]
setup(
    ext_modules=[Extension(name, sources=[]) for name in names],
    cmdclass={"build_ext": BuildModules, "emulate": Emulate, "sanitize": Sanitize},
)
