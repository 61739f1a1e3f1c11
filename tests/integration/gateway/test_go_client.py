"""A client in Go: the stubs that protoc makes of protos/ compile, and stream what the gateway sends."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.pages import ROOT
from tests.integration.gateway.running import RunningGateway

SOURCES = Path("/usr/share/gocode")  # where Debian has them
PACKAGES = "golang-go, protoc-gen-go, protoc-gen-go-grpc, golang-google-grpc-dev"
HAS_GO = all(map(shutil.which, ("go", "protoc-gen-go", "protoc-gen-go-grpc"))) and SOURCES.exists()
PROGRAM = """
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	arv1 "tandem/ar/v1"
	ganv1 "tandem/gan/v1"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	stream, err := arv1.NewAutoregressiveServiceClient(connection).Generate(context.Background(), &arv1.GenerateRequest{
		Prompt:   &arv1.GenerateRequest_Text{Text: "a"},
		Sampling: &arv1.SamplingParams{MaxTokens: proto.Int32(4)},
	})
	check(err)
	for {
		message, err := stream.Recv()
		if err == io.EOF {
			break
		}
		check(err)
		fmt.Print(message.GetTextDelta())
	}
	reply, err := ganv1.NewGanServiceClient(connection).Sample(context.Background(), &ganv1.SampleRequest{})
	check(err)
	fmt.Print(reply.GetImages().GetShape())
}
"""


def write_sources(folder: Path) -> None:
    (folder / "client").mkdir(parents=True)
    (folder / "client/main.go").write_text(PROGRAM)
    protos = sorted(str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos/tandem").rglob("*.proto"))
    out = [f"--go_out={folder}", f"--go-grpc_out={folder}"]
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", f"-I{ROOT}/protos", *out, *protos], check=True)


@pytest.mark.skipif(not HAS_GO, reason=f"there is no Go with gRPC here (Debian packages: {PACKAGES})")
async def test_a_program_in_go_streams_tokens(gateway: RunningGateway, tmp_path: Path) -> None:
    write_sources(tmp_path / "src")
    paths = {"GOPATH": f"{tmp_path}:{SOURCES}", "GO111MODULE": "off"}
    build = await asyncio.create_subprocess_exec(
        *("go", "build", "-o", str(tmp_path / "program"), "client"), env=os.environ | paths, cwd=tmp_path
    )
    assert await build.wait() == 0
    address = f"127.0.0.1:{gateway.gateway.server.port}"
    program = await asyncio.create_subprocess_exec(tmp_path / "program", address, stdout=asyncio.subprocess.PIPE)
    assert await program.communicate() == (b"0 1 2 3 [1 1 1 1]", None)
