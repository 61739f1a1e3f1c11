"""Modules with logic that no test is named after or imports, by the test or folder of tests that drives them."""

TESTED_ELSEWHERE = {
    "contract/test_docs.py": ("tandem/cli/servers/settings",),
    "faults/test_kills.py": ("runtime/process/tethered",),
    "integration/gateway": ("gateway/",),
    "integration/runtime/server/test_server.py": ("runtime/server/reflection",),
    "integration/services/ar/api/test_scoring.py": ("services/ar/api/image",),
    "integration/services/ar/api/test_service.py": ("services/ar/api/description",),
    "integration/services/gan/test_diversity.py": (
        "services/gan/discriminator",
        "training/release/own_images",
    ),
    "integration/tandem/cli/bench/test_run.py": ("tandem/cli/grouped",),
    "integration/tandem/cli/models/evaluation/test_evaluate.py": ("tandem/cli/models/evaluation/table",),
    "integration/tandem/cli/models/collapse/test_collapse.py": ("tandem/cli/models/collapse/report",),
    "integration/tandem/cli/servers/test_supervise.py": ("tandem/cli/servers/log_lines",),
    "integration/tandem/cli/use/test_generate.py": (
        "tandem/cli/use/drawing",
        "tandem/cli/use/generate_options",
        "tandem/cli/use/growing_image",
        "tandem/cli/use/token_view",
    ),
    "integration/tandem/cli/test_commands.py": (
        "tandem/cli/use/right_command",
        "tandem/cli/use/sample",
        "tandem/cli/use/score",
        "tandem/cli/use/texts",
    ),
    "integration/tandem/client/test_ending_calls.py": ("tandem/client/timeouts",),
    "integration/tandem/client/test_client.py": (
        "tandem/client/asynchronous",
        "tandem/client/calls",
        "tandem/client/synchronous",
        "tandem/client/text",
    ),
    "integration/tandem/measure/generator/requests/test_methods.py": ("tandem/cli/bench/foreign",),
    "integration/tandem/measure/generator/sending/test_senders.py": ("tandem/measure/generator/sending/",),
    "integration/tandem/measure/generator/test_apis.py": (
        "tandem/measure/generator/requests/apis/words",
        "tandem/measure/generator/sending/statuses",
    ),
    "integration/tandem/measure/generator/test_generator.py": ("tandem/measure/generator/sending/connections",),
    "integration/tandem/measure/generator/test_truth.py": (
        "tandem/measure/generator/priority",
        "tandem/measure/generator/recording",
        "tandem/measure/generator/requests/messages",
        "tandem/measure/generator/worker",
    ),
    "integration/tandem/cli/models/quantisation/test_quantisation.py": (
        "tandem/cli/models/quantisation/quantise",
        "tandem/cli/models/quantisation/fid",
    ),
    "integration/training/judge/test_judge.py": ("training/judge/",),
    "integration/training/test_pair.py": ("training/refinement/train",),
    "unit/services/ar/compute/native/test_kernel.py": ("tandem/shared/compiled/opening",),
    "unit/services/ar/model/gguf/test_checkpoint.py": ("services/ar/model/gguf/config",),
    "unit/services/ar/model/huggingface/test_checkpoint.py": (
        "services/ar/model/huggingface/safetensors_files",
        "services/ar/model/tokenizer_file",
    ),
    "unit/services/common/runtimes/rewrites/test_narrow_convolution.py": ("services/common/runtimes/rewrites/graph",),
    "unit/tandem/cli/doctor/test_doctor.py": ("tandem/cli/servers/envoy",),
    "unit/tandem/cli/test_main.py": ("tandem/cli/command_line",),
    "unit/tandem/measure/quality/test_protocol.py": ("tandem/measure/quality/figure",),
    "unit/tandem/measure/report/test_report.py": ("tandem/measure/report/charts/studies",),
    "unit/tandem/measure/studies/comparison/test_document.py": (
        "tandem/measure/studies/comparison/series",
        "tandem/measure/studies/figures",
    ),
    "unit/tandem/measure/studies/growth/test_growth.py": ("tandem/measure/studies/growth/points",),
}

NOT_TESTED = {}
