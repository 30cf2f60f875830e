# SPDX-License-Identifier: Apache-2.0
"""Which calls draw from which global generator, and which calls seed it.

Facts as of Keras 3.15, TensorFlow 2.21, PyTorch 2.13, NumPy 2: Keras layers and initializers without a seed draw
one from Python's `random` when they are made; `keras.utils.set_random_seed` seeds Python, NumPy and the backend.
"""

import ast
import re

from .names import MISSING

PYTHON, NUMPY, TENSORFLOW, TORCH = "Python's random", "NumPy", "TensorFlow", "PyTorch"
EVERY = frozenset((PYTHON, NUMPY, TENSORFLOW, TORCH))
NONE = frozenset()

# Keras layers with weights: the arguments that must each name an initializer for no seed to be drawn.
_KERNEL = ("kernel_initializer",)
_RECURRENT = ("kernel_initializer", "recurrent_initializer")
_SEPARABLE = ("depthwise_initializer", "pointwise_initializer")
WEIGHTED = {
    **dict.fromkeys(
        "Dense EinsumDense Conv1D Conv2D Conv3D Convolution1D Convolution2D Convolution3D Conv1DTranspose "
        "Conv2DTranspose Conv3DTranspose MultiHeadAttention GroupedQueryAttention".split(),
        _KERNEL,
    ),
    **dict.fromkeys(
        "LSTM GRU SimpleRNN LSTMCell GRUCell SimpleRNNCell ConvLSTM1D ConvLSTM2D ConvLSTM3D".split(),
        _RECURRENT,
    ),
    **dict.fromkeys("SeparableConv1D SeparableConv2D SeparableConvolution2D".split(), _SEPARABLE),
    **dict.fromkeys("DepthwiseConv1D DepthwiseConv2D".split(), ("depthwise_initializer",)),
    "Embedding": ("embeddings_initializer",),
}
# Keras layers that draw while training; None: the rate is no first argument.
DRAWING = frozenset(
    "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D AlphaDropout GaussianDropout GaussianNoise "
    "RandomFlip RandomRotation RandomZoom RandomTranslation RandomCrop RandomContrast RandomBrightness RandomHeight "
    "RandomWidth RandomShear RandomHue RandomSaturation RandomSharpness RandomPosterization RandomGrayscale "
    "RandomErasing RandomPerspective RandomGaussianBlur RandomInvert RandomColorJitter RandomColorDegeneration "
    "RandomElasticTransform RandAugment AugMix MixUp CutMix".split()
)
AUGMENTING = frozenset(name for name in DRAWING if name.startswith("Rand")) | {"AugMix", "MixUp", "CutMix"}
INITIALIZERS = frozenset(
    "RandomNormal RandomUniform TruncatedNormal VarianceScaling GlorotNormal GlorotUniform HeNormal HeUniform "
    "LecunNormal LecunUniform Orthogonal OrthogonalInitializer".split()
)
_PLAIN = {"zeros", "ones", "zero", "one", "constant", "identity", "Zeros", "Ones", "Constant", "Identity"}
STAR_EXPORTS = {
    "keras.layers": frozenset(WEIGHTED) | DRAWING,
    "keras.initializers": INITIALIZERS,
}

_PYTHON_DRAWS = frozenset(
    "random randint randrange uniform shuffle choice choices sample gauss normalvariate lognormvariate betavariate "
    "expovariate gammavariate triangular vonmisesvariate paretovariate weibullvariate getrandbits randbytes".split()
)
_NUMPY_NOT_DRAWS = frozenset(
    "seed get_state set_state default_rng RandomState Generator SeedSequence BitGenerator PCG64 PCG64DXSM Philox SFC64 "
    "MT19937 mtrand get_bit_generator set_bit_generator".split()
)
_TF_DRAWS = frozenset(
    "normal uniform truncated_normal shuffle categorical gamma poisson uniform_candidate_sampler "
    "log_uniform_candidate_sampler fixed_unigram_candidate_sampler learned_unigram_candidate_sampler".split()
)
_TORCH_DRAWS = frozenset(
    "rand randn randint randperm rand_like randn_like randint_like normal bernoulli multinomial poisson".split()
)
_TORCH_LAYERS = frozenset(
    "Linear Bilinear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d RNN LSTM GRU LSTMCell GRUCell "
    "Embedding EmbeddingBag MultiheadAttention Transformer TransformerEncoderLayer TransformerDecoderLayer".split()
)
_DIRECTORY = frozenset(
    "keras.utils.image_dataset_from_directory keras.utils.text_dataset_from_directory "
    "keras.utils.audio_dataset_from_directory".split()
)
_SPLITTERS = frozenset("KFold StratifiedKFold StratifiedGroupKFold GroupKFold".split())
_ALWAYS_RANDOM = frozenset(
    "train_test_split ShuffleSplit StratifiedShuffleSplit GroupShuffleSplit RepeatedKFold RepeatedStratifiedKFold shuffle "
    "resample make_classification make_regression make_blobs make_moons make_circles make_s_curve make_swiss_roll".split()
)
# A helper of another module that seeds everything, by its name: set_seed, seed_everything, fix_random_seeds ...
_SEEDER = re.compile(
    r"^(_?(set|init|fix|make|enable|ensure|setup|reset|control|configure)\w*(seed|determin|reproduc)\w*"
    r"|seed_(all|everything|everywhere|rngs?|random)\w*|seeding|seed)$",
    re.IGNORECASE,
)
_SEEDS = {
    "keras.utils.set_random_seed": EVERY,
    "tf_keras.utils.set_random_seed": EVERY,
    "isobit.set_random_seed": EVERY,
    "random.seed": frozenset((PYTHON,)),
    "random.setstate": frozenset((PYTHON,)),
    "numpy.random.seed": frozenset((NUMPY,)),
    "numpy.random.set_state": frozenset((NUMPY,)),
    "tensorflow.random.set_seed": frozenset((TENSORFLOW,)),
    "tensorflow.set_random_seed": frozenset((TENSORFLOW,)),
    "tensorflow.random.set_random_seed": frozenset((TENSORFLOW,)),
    "tensorflow.compat.v1.set_random_seed": frozenset((TENSORFLOW,)),
    "tensorflow.compat.v1.random.set_random_seed": frozenset((TENSORFLOW,)),
    "torch.manual_seed": frozenset((TORCH,)),
    "torch.random.manual_seed": frozenset((TORCH,)),
    "torch.set_rng_state": frozenset((TORCH,)),
    "torch.cuda.manual_seed": NONE,
    "torch.cuda.manual_seed_all": NONE,
    "torch.seed": NONE,
}


def seeds(script, call):
    """The generators that a call seeds, or None if it is no seeding call. Seeding with nothing seeds nothing."""
    name = script.qualify(call)
    if name in _SEEDS:
        empty = not call.args and not call.keywords
        first = call.args[0] if call.args else None
        if empty or (isinstance(first, ast.Constant) and first.value is None):
            return NONE
        return _SEEDS[name]
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if not _SEEDER.match(last) or script.function_nodes(call.func):
        return None
    if isinstance(call.func, ast.Attribute) and name is None:
        # env.seed(1), generator.manual_seed(1): the object's own; self.set_seed() may do anything
        return EVERY if isinstance(call.func.value, ast.Name) and call.func.value.id in ("self", "cls") else None
    if name is not None and name.split(".")[0] in (
        "random",
        "numpy",
        "tensorflow",
        "torch",
        "jax",
        "gym",
        "gymnasium",
    ):
        return None
    return EVERY


class Draw:
    """A call that draws from global generators: which ones, and in which words to name it."""

    def __init__(self, node, generators, text):
        self.node, self.generators, self.text = node, generators, text


def draw(script, call):
    """What a call draws from global generators, or None."""
    name = script.qualify(call)
    found = _method_draw(script, call) if name is None else _named_draw(script, call, name)
    return Draw(call, frozenset(found[0]), found[1]) if found else None


def _named_draw(script, call, name):
    module, _, last = name.rpartition(".")
    if module in ("keras.layers", "tf_keras.layers"):
        return _keras_layer(script, call, last, PYTHON if module == "keras.layers" else TENSORFLOW)
    if module == "keras.initializers" and last in INITIALIZERS:
        return None if _seeded(script, call) or len(call.args) >= 3 else ((PYTHON,), f"the initializer {last}")
    if module == "keras.random" and last not in ("SeedGenerator",):
        return None if _seeded(script, call) else ((PYTHON,), f"keras.random.{last}")
    if name == "keras.random.SeedGenerator":
        return None if _seeded(script, call, 0) else ((PYTHON,), "SeedGenerator()")
    if module == "keras.applications" or name.startswith("keras.applications."):
        weights = script.argument(call, "weights")
        random = isinstance(weights, ast.Constant) and weights.value is None
        return ((PYTHON,), f"{last}(weights=None)") if random and last[:1].isupper() else None
    if name in _DIRECTORY:
        fixed = script.is_false(call, "shuffle") or _seeded(script, call)
        return None if fixed else ((NUMPY,), f"{last}'s order")
    if name == "keras.utils.timeseries_dataset_from_array":
        shuffles = script.given(call, "shuffle") and not script.is_false(call, "shuffle")
        return ((NUMPY,), f"{last}'s order") if shuffles and not _seeded(script, call) else None
    if module == "random" and last in _PYTHON_DRAWS:
        return (PYTHON,), f"random.{last}"
    if module == "numpy.random" and last not in _NUMPY_NOT_DRAWS:
        return (NUMPY,), f"np.random.{last}"
    if module == "tensorflow.random" and last in _TF_DRAWS:
        return None if _seeded(script, call) else ((TENSORFLOW,), f"tf.random.{last}")
    if module == "tensorflow.image" and last.startswith("random_"):
        return None if _seeded(script, call) else ((TENSORFLOW,), f"tf.image.{last}")
    if name == "tensorflow.data.Dataset.list_files":
        fixed = script.is_false(call, "shuffle", 1) or _seeded(script, call, 2)
        return None if fixed else ((TENSORFLOW,), "list_files' order")
    if name.startswith("torch."):
        return _torch(script, call, module, last)
    if name.startswith("sklearn."):
        return _sklearn(script, call, last)
    if name.startswith("scipy.stats.") and last == "rvs":
        return None if script.given(call, "random_state") else ((NUMPY,), "scipy.stats' rvs")
    return None


def _seeded(script, call, position=None):
    return script.given(call, "seed", position)


def _keras_layer(script, call, layer, generator):
    if layer in DRAWING:
        rate = script.argument(call, "rate", 0) if "Dropout" in layer else None
        if isinstance(rate, ast.Constant) and rate.value == 0:
            return None
        return None if _seeded(script, call) else ((generator,), layer)
    if layer not in WEIGHTED:
        return None
    drops = any(
        script.given(call, name) and script.constant(script.argument(call, name)) not in (0, 0.0)
        for name in ("dropout", "recurrent_dropout")
    )
    if drops and not _seeded(script, call):
        return (generator,), layer
    for argument in WEIGHTED[layer]:
        value = script.argument(call, argument)
        if value is None:  # ** may give it
            return None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            if value.value not in _PLAIN:
                return (generator,), layer
        elif not script.given(call, argument):
            if layer == "Embedding" and script.given(call, "weights"):
                return None
            return (generator,), layer
    return None


def _torch(script, call, module, last):
    if script.given(call, "generator"):
        return None
    if module == "torch" and last in _TORCH_DRAWS:
        return (TORCH,), f"torch.{last}"
    if module == "torch.nn" and last in _TORCH_LAYERS:
        return (TORCH,), f"nn.{last}"
    if module == "torch.utils.data" and last == "random_split":
        return (TORCH,), "random_split"
    if module == "torch.utils.data" and last == "DataLoader":
        shuffles = script.given(call, "shuffle", 2) and not script.is_false(call, "shuffle", 2)
        return ((TORCH,), "DataLoader(shuffle=True)") if shuffles else None
    return None


def _sklearn(script, call, last):
    if script.given(call, "random_state") or script.is_false(call, "shuffle"):
        return None
    if last in _ALWAYS_RANDOM:
        return (NUMPY,), last
    if last in _SPLITTERS and script.given(call, "shuffle"):
        return (NUMPY,), f"{last}(shuffle=True)"
    return None


def _method_draw(script, call):
    """Draws by method name alone: ds.shuffle(n), frame.sample(frac=1), model.fit(x, y), self.add_weight(...)."""
    if not isinstance(call.func, ast.Attribute):
        return None
    method = call.func.attr
    if is_dataset_shuffle(script, call):
        return None if _seeded(script, call, 1) else ((TENSORFLOW,), "the data set's shuffle")
    if method == "sample" and script.imports("pandas") and script.given(call, "frac"):
        return None if script.given(call, "random_state") else ((NUMPY,), "the frame's sample")
    if method == "fit" and script.backend == "tensorflow" and script.is_training(call):
        arrays = script.given(call, "y", 1) and not script.is_false(call, "shuffle")
        return ((TENSORFLOW,), "fit's shuffle of the samples") if arrays else None
    if method == "add_weight" and script.uses_keras:
        value = script.argument(call, "initializer")
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value not in _PLAIN:
            return (PYTHON,), f"add_weight(initializer={value.value!r})"
    return None


def is_dataset_shuffle(script, call):
    """tf.data's shuffle gives a new data set, so its value is used; a list's shuffle in place gives nothing."""
    if not script.imports("tensorflow", "tensorflow_datasets") and script.backend != "tensorflow":
        return False
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "shuffle" or script.qualify(call) is not None:
        return False
    if isinstance(script.parent(call), ast.Expr):
        return False
    return bool(call.args) or script.argument(call, "buffer_size") is not MISSING
