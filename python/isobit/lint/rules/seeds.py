# SPDX-License-Identifier: Apache-2.0
"""Seeds: none, not for every generator, too late, of the clock; generators and initializers of their own."""

import ast

from ..random_api import TENSORFLOW, draw, seeds
from ..uses import shown_only
from . import Edit, rule

SEED = 812


class Account:
    """Who draws, who seeds, in probable order. missing: generator -> first draw that no seed came before."""

    def __init__(self, script):
        self.seeded_anywhere = set()
        self.first_seed = {}  # generator -> first call that seeds it, reached or not
        for call in script.calls:
            given = seeds(script, call)
            for generator in given or ():
                self.seeded_anywhere.add(generator)
        self.draws, self.unseeded, self.late = [], {}, {}
        seeded = set()
        for step in script.flow.steps:
            if not isinstance(step, ast.Call):
                continue
            given = seeds(script, step)
            if given is not None:
                for generator in given - seeded:
                    self.first_seed.setdefault(generator, step)
                    if generator in self.unseeded:
                        self.late.setdefault(generator, (self.unseeded[generator], step))
                seeded |= given
                continue
            found = draw(script, step)
            if found is None or shown_only(script, step) or _makes_seed(script, step):
                continue
            self.draws.append(found)
            for generator in found.generators - seeded:
                self.unseeded.setdefault(generator, found)

    @staticmethod
    def of(script):
        if not hasattr(script, "seed_account"):
            script.seed_account = Account(script)
        return script.seed_account


def _makes_seed(script, call):
    """seed = random.randint(...): a draw that only makes a seed."""
    statement = script.names.statement_of(call)
    if not isinstance(statement, ast.Assign):
        return False
    return any("seed" in ast.unparse(target).lower() for target in statement.targets)


def _names(draws):
    """ "Dense (line 3), Dropout (line 5) and 7 more"."""
    seen, words = set(), []
    for found in draws:
        if found.text not in seen:
            seen.add(found.text)
            words.append(f"{found.text} (line {found.node.lineno})")
    if len(words) > 3:
        words[2:] = [f"{len(words) - 2} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


@rule(
    "no-seed",
    "warning",
    reason="Without a seed, initial weights, dropout and the order of samples differ from run to run.",
    mend="call keras.utils.set_random_seed(812) directly after the imports (PyTorch alone: torch.manual_seed)",
)
def no_seed(script):
    account = Account.of(script)
    if account.seeded_anywhere or not account.draws or not script.training:
        return
    if not script.uses_framework:
        return
    first = account.draws[0].node
    yield first, f"the script trains but sets no seed; what draws: {_names(account.draws)}", _seed_line(script, first)


def _seed_line(script, before):
    """Edits that insert a seeding call after the top-level imports, if Keras's own name stands there."""
    names = {dotted: name for name, dotted in script.names.module.imports.items()}
    call = None
    for dotted, form in (
        ("keras", "{}.utils"),
        ("tensorflow.keras", "{}.utils"),
        ("tensorflow", "{}.keras.utils"),
    ):
        if dotted in names:
            call = form.format(names[dotted]) + f".set_random_seed({SEED})"
            break
    if call is None:
        return ()
    last = None
    for statement in script.tree.body:
        if statement.lineno >= before.lineno:
            break
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            last = statement
    if last is None or not _imported_by(script, names[dotted], last):
        return ()
    return (Edit(last.end_lineno, last.end_col_offset, last.end_lineno, last.end_col_offset, f"\n\n{call}"),)


def _imported_by(script, name, last):
    """Whether a top-level import up to `last` binds the name."""
    for statement in script.tree.body:
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            if any((alias.asname or alias.name.split(".")[0]) == name for alias in statement.names):
                return True
        if statement is last:
            return False
    return False


@rule(
    "seed-partial",
    "warning",
    reason="Python, NumPy and each backend have generators of their own; Keras draws initial weights from Python's.",
    mend="keras.utils.set_random_seed(812) seeds all of them",
)
def seed_partial(script):
    account = Account.of(script)
    if not account.seeded_anywhere or not script.training:
        return
    for generator, found in account.unseeded.items():
        if generator in account.seeded_anywhere:
            continue
        others = ", ".join(sorted(account.seeded_anywhere))
        text = f"{found.text} draws from {generator}, which has no seed; seeded: {others}"
        yield found.node, text, _wider_seed(script, account)


def _wider_seed(script, account):
    """tf.random.set_seed(1) becomes Keras's set_random_seed(1), which seeds TensorFlow likewise and all others."""
    call = account.first_seed.get(TENSORFLOW)
    if call is None or script.qualify(call) != "tensorflow.random.set_seed" or len(call.args) != 1 or call.keywords:
        return ()
    if not isinstance(script.constant(call.args[0]), int):
        return ()
    root = ast.unparse(call.func)
    if not root.endswith(".random.set_seed"):
        return ()
    new = root[: -len(".random.set_seed")] + ".keras.utils.set_random_seed"
    return (Edit(call.func.lineno, call.func.col_offset, call.func.end_lineno, call.func.end_col_offset, new),)


@rule(
    "seed-late",
    "warning",
    reason="What was drawn before the seed was set differs from run to run.",
    mend="set the seed directly after the imports, before layers are built and data are shuffled",
)
def seed_late(script):
    if not script.training:
        return
    told = set()
    for generator, (found, seed) in Account.of(script).late.items():
        if seed not in told:
            told.add(seed)
            yield seed, f"the seed is set after {found.text} (line {found.node.lineno}) has drawn from {generator}"


_GENERATORS = {
    "numpy.random.default_rng": "default_rng()",
    "numpy.random.RandomState": "RandomState()",
    "numpy.random.SeedSequence": "SeedSequence()",
    "numpy.random.PCG64": "PCG64()",
    "numpy.random.PCG64DXSM": "PCG64DXSM()",
    "numpy.random.Philox": "Philox()",
    "numpy.random.SFC64": "SFC64()",
    "numpy.random.MT19937": "MT19937()",
    "random.Random": "Random()",
}
_ENTROPY_GENERATORS = {
    "tensorflow.random.Generator.from_non_deterministic_state": "from_seed(812)",
    "tensorflow.random.get_global_generator": "tf.random.Generator.from_seed(812)",
    "torch.seed": "torch.manual_seed(812)",
    "torch.random.seed": "torch.manual_seed(812)",
}


@rule(
    "unseeded-generator",
    "warning",
    reason="A generator made without a seed takes one from the operating system; no global seed reaches it.",
    mend="give it a seed: np.random.default_rng(812)",
)
def unseeded_generator(script):
    names = [script.qualify(call) for call in script.calls]
    for call, name in zip(script.calls, names):
        if name == "tensorflow.random.get_global_generator" and "tensorflow.random.set_global_generator" in names:
            continue
        if name in _ENTROPY_GENERATORS:
            yield call, f"{name.rpartition('.')[2]} takes its state from the operating system; write {_ENTROPY_GENERATORS[name]}"
        elif name in _GENERATORS and not _has_seed(script, call):
            yield call, f"{_GENERATORS[name]} has no seed; set_random_seed does not reach it"
        elif name in ("random.seed", "numpy.random.seed") and not _has_seed(script, call):
            short = "random" if name == "random.seed" else "np.random"
            yield call, f"{short}.seed() without a number seeds from the operating system"


def _has_seed(script, call):
    if any(keyword.arg is None for keyword in call.keywords) or any(isinstance(a, ast.Starred) for a in call.args):
        return True
    return any(script.given(call, name, 0) for name in ("seed", "entropy", "x", "a", "key"))


_ENTROPY = {
    "time.time",
    "time.time_ns",
    "time.perf_counter",
    "time.perf_counter_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "os.getpid",
    "os.urandom",
    "uuid.uuid1",
    "uuid.uuid4",
    "secrets.randbits",
    "secrets.randbelow",
    "secrets.token_bytes",
    "secrets.token_hex",
    "os.getppid",
    "random.SystemRandom",
}
_SEED_TAKERS = set(_GENERATORS) | {
    "random.seed",
    "numpy.random.seed",
    "tensorflow.random.Generator.from_seed",
    "torch.Generator.manual_seed",
    "keras.random.SeedGenerator",
    "jax.random.PRNGKey",
    "jax.random.key",
}


@rule(
    "seed-from-entropy",
    "warning",
    reason="A seed taken from the clock, a process number, an address or a string's hash is another one in every run.",
    mend="write a number",
)
def seed_from_entropy(script):
    for call in script.calls:
        taken = []
        if script.qualify(call) in _SEED_TAKERS or seeds(script, call):
            taken += call.args
        taken += [k.value for k in call.keywords if k.arg in ("seed", "random_state", "random_seed", "entropy")]
        for value in taken:
            origin = _entropy_in(script, value)
            if origin:
                yield call, f"the seed comes from {origin}"
                break


def _entropy_in(script, node, depth=3):
    """The source of entropy that a seed's expression asks, in words, or None."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            name = script.qualify(part)
            if name in _ENTROPY:
                return f"{name}()"
            if isinstance(part.func, ast.Name) and script.names.find(part.func) is None:
                if part.func.id == "id":
                    return "id(), an address"
                if part.func.id == "hash" and part.args and not isinstance(script.constant(part.args[0]), int):
                    return "hash(), which differs between processes for strings"
        elif isinstance(part, ast.Name) and depth:
            value = script.names.value(part)
            if value is not None and value is not part:
                found = _entropy_in(script, value, depth - 1)
                if found:
                    return found
    return None


@rule(
    "shared-initializer",
    "warning",
    reason="An initializer with a number as its seed gives the same values at each call, so layers of one shape begin equal.",
    mend="make one initializer for each layer, each with its own seed, or leave the seed to set_random_seed",
)
def shared_initializer(script):
    for call in script.calls:
        name = script.qualify(call) or ""
        if not name.startswith("keras.initializers.") or not isinstance(script.constant(_seed_of(script, call)), int):
            continue
        parent = script.parent(call)
        if (
            not isinstance(parent, ast.Assign)
            or len(parent.targets) != 1
            or not isinstance(parent.targets[0], ast.Name)
        ):
            continue
        scope = script.names.find(parent.targets[0])
        if len(scope.values.get(parent.targets[0].id, ())) != 1:
            continue
        layers = []
        for use in script.names.uses(parent.targets[0].id, scope):
            keyword = script.parent(use)
            layer = script.parent(keyword)
            if isinstance(keyword, ast.keyword) and (keyword.arg or "").endswith("initializer"):
                if isinstance(layer, ast.Call) and (script.qualify(layer) or "").startswith("keras.layers."):
                    layers.append(layer)
        same = _same_shape(layers)
        if same:
            yield call, f"layers at lines {same[0].lineno} and {same[1].lineno} begin with the same values"


def _seed_of(script, call):
    value = script.argument(call, "seed")
    return value if isinstance(value, ast.AST) else None


def _same_shape(layers):
    """Two layers written alike: same class, same arguments."""
    seen = {}
    for layer in layers:
        text = ast.unparse(layer)
        if text in seen and seen[text] is not layer:
            return seen[text], layer
        seen[text] = layer
    return None
