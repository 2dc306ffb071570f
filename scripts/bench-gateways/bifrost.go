//go:build bifrost

package main

import (
	"context"
	"errors"
	"strings"

	bifrost "github.com/maximhq/bifrost/core"
	"github.com/maximhq/bifrost/core/schemas"
)

// account has one vLLM server.
type account struct{ url string }

// GetConfiguredProviders names vLLM.
func (account) GetConfiguredProviders() ([]schemas.ModelProvider, error) {
	return []schemas.ModelProvider{schemas.VLLM}, nil
}

// GetKeysForProvider returns the server's address, which Bifrost keeps with a key.
func (a account) GetKeysForProvider(context.Context, schemas.ModelProvider) ([]schemas.Key, error) {
	return []schemas.Key{{
		ID: "stub", Value: *schemas.NewSecretVar("none"), Models: schemas.WhiteList{"*"}, Weight: 1,
		VLLMKeyConfig: &schemas.VLLMKeyConfig{URL: *schemas.NewSecretVar(a.url)},
	}}, nil
}

// GetConfigForProvider leaves all to Bifrost.
func (account) GetConfigForProvider(schemas.ModelProvider) (*schemas.ProviderConfig, error) {
	return &schemas.ProviderConfig{NetworkConfig: schemas.DefaultNetworkConfig, ConcurrencyAndBufferSize: schemas.DefaultConcurrencyAndBufferSize}, nil
}

func throughBifrost(url string, stream bool) (caller, error) {
	client, err := bifrost.Init(context.Background(), schemas.BifrostConfig{Account: account{url}, Logger: bifrost.NewDefaultLogger(schemas.LogLevelError)})
	if err != nil {
		return nil, err
	}
	said, asked, greedy := system, prompt(), 0.0
	request := func() *schemas.BifrostChatRequest {
		return &schemas.BifrostChatRequest{
			Provider: schemas.VLLM, Model: model,
			Input: []schemas.ChatMessage{
				{Role: schemas.ChatMessageRoleSystem, Content: &schemas.ChatMessageContent{ContentStr: &said}},
				{Role: schemas.ChatMessageRoleUser, Content: &schemas.ChatMessageContent{ContentStr: &asked}},
			},
			Params: &schemas.ChatParameters{Temperature: &greedy},
		}
	}
	failure := func(e *schemas.BifrostError) error {
		if e.Error != nil {
			return errors.New(e.Error.Message)
		}
		return errors.New("an error without words")
	}
	if !stream {
		return func(ctx context.Context) (string, error) {
			response, err := client.ChatCompletionRequest(schemas.NewBifrostContext(ctx, schemas.NoDeadline), request())
			if err != nil {
				return "", failure(err)
			}
			return *response.Choices[0].Message.Content.ContentStr, nil
		}, nil
	}
	return func(ctx context.Context) (string, error) {
		events, err := client.ChatCompletionStreamRequest(schemas.NewBifrostContext(ctx, schemas.NoDeadline), request())
		if err != nil {
			return "", failure(err)
		}
		text := strings.Builder{}
		for event := range events {
			if event.BifrostError != nil {
				return "", failure(event.BifrostError)
			}
			if r := event.BifrostChatResponse; r != nil && len(r.Choices) > 0 {
				if d := r.Choices[0].ChatStreamResponseChoice; d != nil && d.Delta != nil && d.Delta.Content != nil {
					text.WriteString(*d.Delta.Content)
				}
			}
		}
		return text.String(), nil
	}, nil
}
