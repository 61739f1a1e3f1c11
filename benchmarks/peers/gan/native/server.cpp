// The GAN behind gRPC's callback API and ONNX Runtime, all in C++: what the cores can do with a server around the pass.
//
//   server PORT GENERATOR SESSIONS
//
// Answers Sample with raw bytes on 127.0.0.1:PORT until it is ended, and nothing more: no validation, no exact seeds. A
// thread for each session of one thread; each takes what is queued, up to 64 images.

#include <grpcpp/grpcpp.h>
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <mutex>
#include <random>
#include <thread>

#include "tandem/gan/v1/gan.grpc.pb.h"

namespace gan = tandem::gan::v1;

constexpr int64_t kLatents = 64, kPixels = 28 * 28, kClasses = 10, kMostImages = 64;

struct Call {
    const gan::SampleRequest* request;
    gan::SampleResponse* response;
    grpc::ServerUnaryReactor* reactor;
    int64_t count() const { return request->has_count() ? request->count() : 1; }
};

class Generator {
public:
    Generator(const Ort::Env& env, const char* path) : session_(env, path, options()) {}

    void draw(const std::vector<Call>& batch) {
        latents_.clear();
        labels_.clear();
        for (const Call& call : batch) add(call);
        const int64_t count = labels_.size();
        const int64_t latent_shape[] = {count, kLatents}, label_shape[] = {count};
        const Ort::Value inputs[] = {
            Ort::Value::CreateTensor(memory_, latents_.data(), latents_.size(), latent_shape, 2),
            Ort::Value::CreateTensor(memory_, labels_.data(), labels_.size(), label_shape, 1)};
        const char *input_names[] = {"latent", "label"}, *output_names[] = {"image"};
        const auto outputs = session_.Run(Ort::RunOptions{nullptr}, input_names, inputs, 2, output_names, 1);
        const float* pixels = outputs[0].GetTensorData<float>();
        for (const Call& call : batch) {
            reply(call, pixels);
            pixels += call.count() * kPixels;
        }
    }

private:
    static Ort::SessionOptions options() {
        Ort::SessionOptions options;
        options.SetIntraOpNumThreads(1);
        return options;
    }

    void add(const Call& call) {
        std::minstd_rand source(call.request->seed() + 1);
        std::normal_distribution<float> normal;
        const auto& given = call.request->latents().values();
        if (call.request->has_latents()) latents_.insert(latents_.end(), given.begin(), given.end());
        else std::generate_n(std::back_inserter(latents_), call.count() * kLatents, [&] { return normal(source); });
        const auto& labels = call.request->labels();
        for (int64_t index = 0; index < call.count(); ++index)
            labels_.push_back(labels.size() == call.count() ? labels[index] : int64_t(source() % kClasses));
    }

    static void reply(const Call& call, const float* pixels) {
        auto& images = *call.response->mutable_images();
        for (const int64_t size : {call.count(), int64_t{28}, int64_t{28}, int64_t{1}}) images.add_shape(size);
        images.set_encoding(tandem::common::v1::ENCODING_RAW_UINT8);
        std::string& data = *images.mutable_data();
        data.resize(call.count() * kPixels);
        for (size_t index = 0; index < data.size(); ++index)
            data[index] = char(uint8_t(std::clamp((pixels[index] + 1) * 127.5f, 0.0f, 255.0f) + 0.5f));
        call.response->set_seed(call.request->seed());
        call.reactor->Finish(grpc::Status::OK);
    }

    Ort::Session session_;
    Ort::MemoryInfo memory_ = Ort::MemoryInfo::CreateCpu(OrtDeviceAllocator, OrtMemTypeCPU);
    std::vector<float> latents_;
    std::vector<int64_t> labels_;
};

class Service final : public gan::GanService::CallbackService {
public:
    grpc::ServerUnaryReactor* Sample(grpc::CallbackServerContext* context, const gan::SampleRequest* request,
                                     gan::SampleResponse* response) override {
        grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
        std::lock_guard held(lock_);
        calls_.push_back({request, response, reactor});
        arrived_.notify_one();
        return reactor;
    }

    std::vector<Call> take() {  // whole requests, at least one
        std::unique_lock held(lock_);
        arrived_.wait(held, [this] { return !calls_.empty(); });
        std::vector<Call> batch;
        for (int64_t images = 0; !calls_.empty() && images < kMostImages; calls_.pop_front()) {
            batch.push_back(calls_.front());
            images += batch.back().count();
        }
        return batch;
    }

private:
    std::mutex lock_;
    std::condition_variable arrived_;
    std::deque<Call> calls_;
};

int main(int count, char** words) {
    if (count != 4) return fprintf(stderr, "usage: see the head of server.cpp\n"), 1;
    const Ort::Env env;
    Service service;
    std::vector<std::jthread> threads;
    for (int session = 0; session < atoi(words[3]); ++session)
        threads.emplace_back([&service, generator = std::make_shared<Generator>(env, words[2])] {
            for (;;) generator->draw(service.take());
        });
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::string(words[1]), grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    builder.BuildAndStart()->Wait();
}
