// What Envoy asks of each module with an HTTP filter, and none of ours does anything in. One file of a module includes it.
#pragma once

extern "C" {
const char* envoy_dynamic_module_on_program_init() { return "v0.2.0"; }
void envoy_dynamic_module_on_http_filter_http_callout_done() {}
void envoy_dynamic_module_on_http_filter_http_stream_headers() {}
void envoy_dynamic_module_on_http_filter_http_stream_data() {}
void envoy_dynamic_module_on_http_filter_http_stream_trailers() {}
void envoy_dynamic_module_on_http_filter_http_stream_complete() {}
void envoy_dynamic_module_on_http_filter_http_stream_reset() {}
void envoy_dynamic_module_on_http_filter_scheduled() {}
void envoy_dynamic_module_on_http_filter_downstream_above_write_buffer_high_watermark() {}
void envoy_dynamic_module_on_http_filter_downstream_below_write_buffer_low_watermark() {}
int envoy_dynamic_module_on_http_filter_local_reply() { return 0; }
}
