import pytest

from tandem.shared.models import ModelError, ModelRepository

MINIMAL = 'kind = "gan"\nmodality = "image"\nlicence = "MIT"\n'
TRANSFORMER = 'kind = "transformer"\nmodality = "text"\nlicence = "MIT"\n'


RANGE = r"image\.value_range: .* accepted: two finite numbers, the lower one first"
NO_PIXELS = r"one/model\.toml: image\.shape\[0\]: Input should be greater than 0"


def assert_refused(folder, content, message):
    (folder / "one").mkdir()
    (folder / "one" / "model.toml").write_text(content)
    with pytest.raises(ModelError, match=message):
        ModelRepository(folder).get("one")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *(
            (f"{MINIMAL}[image]\nshape = [8, 8, 1]\nvalue_range = {value}\n", RANGE)
            for value in ("[0.0, 0.0]", "[1, -1]", "[nan, inf]", "[-inf, 0.0]", "[0.0, nan]")
        ),
        *((f"{MINIMAL}[image]\nshape = {shape}\n", NO_PIXELS) for shape in ("[0, 8, 1]", "[-8, -8, 1]")),
        (f'{TRANSFORMER}huggingface = "."\ngguf = "a.gguf"', "huggingface and gguf: a transformer is loaded from one"),
        (f'{TRANSFORMER}generator = "a.onnx"', "generator: this kind of model, text transformer, has none"),
        (f'{TRANSFORMER}diversity = "a.json"', "diversity: this kind of model, text transformer, has none"),
        (f"{TRANSFORMER}[image]\nshape = [8, 8, 1]", "image: this kind of model, text transformer, has none"),
        (f'{MINIMAL}huggingface = "."', "huggingface: this kind of model, image gan, has none"),
        (f"{MINIMAL}[sampling]", "sampling: this kind of model, image gan, has none"),
        (f'kv_cache_dtype = "int8"\n{MINIMAL}', "kv_cache_dtype: this kind of model, image gan, has none"),
    ],
)
def test_a_value_out_of_range_and_a_key_that_would_have_no_effect_are_refused(tmp_path, content, message):
    assert_refused(tmp_path, content, message)


IMAGE_TRANSFORMER = """
kind = "transformer"
modality = "image"
licence = "MIT"
huggingface = "."
[image]
shape = [28, 14, 1]
class_names = ["a", "b"]
[image_tokens]
grid = [7, 2]
num_codes = 16
first_class_token = 16
decoder = "decoder.onnx"
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("[image]\nshape = [28, 14, 1]\nclass_names", "[files]\n#", "an image transformer needs huggingface"),
        (IMAGE_TRANSFORMER[IMAGE_TRANSFORMER.index("[image_tokens]") :], "", "needs huggingface"),
        ('huggingface = "."', 'gguf = "a.gguf"', "needs huggingface"),
        ('class_names = ["a", "b"]', "", "image.class_names: an image transformer needs at least one class"),
        ("grid = [7, 2]", "grid = [7, 6]", "image_tokens.grid: 6 equal cells do not fit the width of 14 pixels"),
        ("grid = [7, 2]", "grid = [8, 2]", "8 equal cells do not fit the height of 28 pixels"),
        ("grid = [7, 2]", "grid = [0, 2]", "greater than 0"),
        ("num_codes = 16", "num_codes = 17", "first_class_token 16 is one of the 17 codes"),
        ("num_codes = 16", "num_codes = 1", "greater than or equal to 2"),
        ('decoder = "decoder.onnx"', "", "image_tokens.decoder"),
        ('decoder = "decoder.onnx"', 'decoder = "d.onnx"\nstep_costs = "c.json"', "without mask_token"),
        ('kind = "transformer"', 'kind = "gan"', "image_tokens: this kind of model, image gan, has none"),
        ('modality = "image"', 'modality = "text"', "image_tokens: this kind of model, text transformer, has none"),
    ],
)
def test_a_sequential_image_model_that_does_not_fit_itself(tmp_path, before, after, message):
    assert before in IMAGE_TRANSFORMER
    assert_refused(tmp_path, IMAGE_TRANSFORMER.replace(before, after), message)


INT8 = f"""{MINIMAL}
generator = "generator.onnx"
[int8]
generator = "generator-int8.onnx"
sha256 = "{"0" * 64}"
float32_sha256 = "{"1" * 64}"
rms_difference = 0.015
fid = [0.5]
float32_fid = [0.51]
num_images = 10000
"""


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('generator = "generator.onnx"\n[', "[", "int8: a model without generator has none in int8"),
        (MINIMAL, TRANSFORMER, "int8: this kind of model, text transformer, has none"),
        ("0.015", "0", r"int8\.rms_difference"),
        ("[0.5]", "[]", r"int8\.fid"),
        ("0" * 64, "0", r"int8\.sha256"),
    ],
)
def test_an_int8_form_that_does_not_fit_is_told(tmp_path, before, after, message):
    assert before in INT8
    text = INT8.replace(before, after)
    if after == TRANSFORMER:
        text = text.replace('generator = "generator.onnx"\n', "")
    assert_refused(tmp_path, text, message)
