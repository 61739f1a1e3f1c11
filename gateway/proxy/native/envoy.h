// What the modules use of the interface of Envoy 1.40 for dynamic modules; Envoy names and defines all of it.
#pragma once

#include <cstddef>
#include <cstdint>

struct Bytes {
    const char* at;
    size_t size;
};

struct IoResult {
    int closes;  // 0: the connection stays open, 1: it is closed
    uint64_t num_bytes;
    bool has_ended;  // the peer will send no more
};

extern "C" {
int envoy_dynamic_module_callback_transport_socket_get_fd(void* socket);
void envoy_dynamic_module_callback_transport_socket_raise_event(void* socket, int event);
void envoy_dynamic_module_callback_transport_socket_read_buffer_add(void* socket, const char* at, size_t size);
bool envoy_dynamic_module_callback_transport_socket_should_drain_read_buffer(void* socket);
void envoy_dynamic_module_callback_transport_socket_set_is_readable(void* socket);
void envoy_dynamic_module_callback_transport_socket_write_buffer_get_slices(void* socket, Bytes* slices, size_t* count);
size_t envoy_dynamic_module_callback_transport_socket_write_buffer_length(void* socket);
void envoy_dynamic_module_callback_transport_socket_write_buffer_drain(void* socket, size_t size);
void envoy_dynamic_module_callback_transport_socket_io_shutdown_write(void* socket);
bool envoy_dynamic_module_callback_network_filter_get_remote_address(void* filter, Bytes* address, uint32_t* port);
void envoy_dynamic_module_callback_network_filter_close(void* filter, int how);
bool envoy_dynamic_module_callback_http_get_header(void* stream, int kind, Bytes name, Bytes* value, size_t index,
                                                   size_t* count);
size_t envoy_dynamic_module_callback_http_get_body_size(void* stream, int kind);
size_t envoy_dynamic_module_callback_http_get_body_chunks_size(void* stream, int kind);
bool envoy_dynamic_module_callback_http_get_body_chunks(void* stream, int kind, Bytes* chunks);
void envoy_dynamic_module_callback_http_send_response(void* stream, uint32_t status, void* headers, size_t num_headers,
                                                      Bytes body, Bytes details);
bool envoy_dynamic_module_callback_http_set_header(void* stream, int kind, Bytes name, Bytes value);
bool envoy_dynamic_module_callback_http_set_dynamic_metadata_string(void* stream, Bytes name, Bytes key, Bytes value);
size_t envoy_dynamic_module_callback_lb_get_hosts_count(void* balancer, uint32_t priority);
size_t envoy_dynamic_module_callback_lb_get_healthy_hosts_count(void* balancer, uint32_t priority);
bool envoy_dynamic_module_callback_lb_get_host_address(void* balancer, uint32_t priority, size_t index, Bytes* address);
bool envoy_dynamic_module_callback_lb_get_healthy_host_address(void* balancer, uint32_t priority, size_t index,
                                                               Bytes* address);
uint64_t envoy_dynamic_module_callback_lb_get_host_stat(void* balancer, uint32_t priority, size_t index, int stat);
bool envoy_dynamic_module_callback_lb_context_get_downstream_header(void* request, Bytes name, Bytes* value,
                                                                    size_t index, size_t* count);
bool envoy_dynamic_module_callback_lb_context_should_select_another_host(void* balancer, void* request,
                                                                         uint32_t priority, size_t index);
}
