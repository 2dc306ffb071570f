package tinymodels

import "fmt"

// A Vision is a [Chat] that takes images.
//
// Its image tower is a clip, as llava's: an image is padded to a square,
// scaled to 28×28 pixels and cut into four patches, and each becomes a token
// of the prompt. The reply does not hang on the image.
type Vision struct{ Chat }

const (
	visionWidth  = 32
	visionBlocks = 2
	visionHeads  = 2
	visionHidden = 32
	imageSide    = 28
	patchSide    = 14
	patches      = (imageSide / patchSide) * (imageSide / patchSide)
)

func (v Vision) parts() ([]part, error) {
	text, err := v.Chat.parts()
	if err != nil {
		return nil, err
	}
	return append(text, part{".tower.gguf", tower()}), nil
}

// tower is the image tower and the projector that makes its patches tokens.
func tower() *gguf {
	g := &gguf{entries: []entry{
		{"general.architecture", "clip"},
		{"clip.has_vision_encoder", true},
		{"clip.has_llava_projector", true},
		{"clip.projector_type", "mlp"},
		{"clip.use_gelu", false},
		{"clip.vision.image_size", uint32(imageSide)},
		{"clip.vision.patch_size", uint32(patchSide)},
		{"clip.vision.embedding_length", uint32(visionWidth)},
		{"clip.vision.feed_forward_length", uint32(visionHidden)},
		{"clip.vision.projection_dim", uint32(visionWidth)},
		{"clip.vision.block_count", uint32(visionBlocks)},
		{"clip.vision.attention.head_count", uint32(visionHeads)},
		{"clip.vision.attention.layer_norm_epsilon", float32(1e-5)},
		{"clip.vision.image_mean", []float32{0.5, 0.5, 0.5}},
		{"clip.vision.image_std", []float32{0.5, 0.5, 0.5}},
	}}
	signs := random(4)
	filter := filled("v.patch_embd.weight", 1.0/(patchSide*patchSide), patchSide, patchSide, 3, visionWidth)
	for i := range filter.data {
		filter.data[i] *= float32(1 - 2*signs.IntN(2))
	}
	g.tensors = append(
		g.tensors,
		zeros("v.class_embd", visionWidth),
		filter,
		zeros("v.position_embd.weight", visionWidth, patches+1),
	)
	g.tensors = append(g.tensors, norm("v.pre_ln", visionWidth)...)
	for i := range visionBlocks {
		block := fmt.Sprintf("v.blk.%d.", i)
		for _, layer := range []string{"attn_q", "attn_k", "attn_v", "attn_out"} {
			g.tensors = append(g.tensors, biased(block+layer, visionWidth, visionWidth)...)
		}
		g.tensors = append(g.tensors, norm(block+"ln1", visionWidth)...)
		// The older names: what this format calls down is the first layer.
		g.tensors = append(g.tensors, biased(block+"ffn_down", visionWidth, visionHidden)...)
		g.tensors = append(g.tensors, biased(block+"ffn_up", visionHidden, visionWidth)...)
		g.tensors = append(g.tensors, norm(block+"ln2", visionWidth)...)
	}
	g.tensors = append(g.tensors, biased("mm.0", visionWidth, chatWidth)...)
	g.tensors = append(g.tensors, biased("mm.2", chatWidth, chatWidth)...)
	return g
}
