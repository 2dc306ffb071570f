// Package chattest is an ordinary client of OpenAI's chat API (go-openai), for
// the tests of what answers in its form.
package chattest

import (
	"context"
	"errors"
	"io"

	openai "github.com/sashabaranov/go-openai"

	"signpost.internal/pkg/provider"
)

// Client talks to one address.
type Client struct{ api *openai.Client }

// New returns a client of the server whose API is below url, such as
// http://127.0.0.1:8102/v1.
func New(url, key string) *Client {
	config := openai.DefaultConfig(key)
	config.BaseURL = url
	return &Client{openai.NewClientWithConfig(config)}
}

// Error is an error in OpenAI's form.
type Error struct {
	Status              int // 0 for one in the middle of a stream
	Message, Type, Code string
	Param               string
}

func (e *Error) Error() string { return e.Message }

// Models lists the names of the models.
func (c *Client) Models(ctx context.Context) ([]string, error) {
	list, err := c.api.ListModels(ctx)
	if err != nil {
		return nil, plain(err)
	}
	var names []string
	for _, m := range list.Models {
		names = append(names, m.ID)
	}
	return names, nil
}

// Answer is what was said.
type Answer struct {
	Content      string
	Model        string
	FinishReason string
	Usage        provider.Usage
	Pieces       int // of a stream
}

// Chat asks for a whole answer.
func (c *Client) Chat(ctx context.Context, model string, messages ...provider.Message) (Answer, error) {
	r, err := c.api.CreateChatCompletion(ctx, openai.ChatCompletionRequest{Model: model, Messages: translated(messages)})
	if err != nil {
		return Answer{}, plain(err)
	}
	return Answer{
		Content: r.Choices[0].Message.Content, Model: r.Model, FinishReason: string(r.Choices[0].FinishReason),
		Usage: provider.Usage{InputTokens: r.Usage.PromptTokens, OutputTokens: r.Usage.CompletionTokens},
	}, nil
}

// Stream asks for an answer piece by piece, with its usage. What came before an
// error is in the Answer.
func (c *Client) Stream(ctx context.Context, model string, messages ...provider.Message) (Answer, error) {
	var a Answer
	stream, err := c.api.CreateChatCompletionStream(ctx, openai.ChatCompletionRequest{
		Model: model, Messages: translated(messages), Stream: true, StreamOptions: &openai.StreamOptions{IncludeUsage: true},
	})
	if err != nil {
		return a, plain(err)
	}
	defer func() { _ = stream.Close() }()
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return a, nil
		}
		if err != nil {
			return a, plain(err)
		}
		a.Model = chunk.Model
		if chunk.Usage != nil {
			a.Usage = provider.Usage{InputTokens: chunk.Usage.PromptTokens, OutputTokens: chunk.Usage.CompletionTokens}
		}
		for _, choice := range chunk.Choices {
			a.Content += choice.Delta.Content
			a.Pieces++
			if choice.FinishReason != "" {
				a.FinishReason = string(choice.FinishReason)
			}
		}
	}
}

func translated(messages []provider.Message) []openai.ChatCompletionMessage {
	out := make([]openai.ChatCompletionMessage, len(messages))
	for i, m := range messages {
		out[i] = openai.ChatCompletionMessage{Role: string(m.Role), Content: m.Content}
	}
	return out
}

// plain tells an error of the API from all others.
func plain(err error) error {
	var known *openai.APIError
	if !errors.As(err, &known) {
		return err
	}
	e := &Error{Status: known.HTTPStatusCode, Message: known.Message, Type: known.Type}
	if code, ok := known.Code.(string); ok {
		e.Code = code
	}
	if known.Param != nil {
		e.Param = *known.Param
	}
	return e
}
