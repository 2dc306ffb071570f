package rag

import (
	"regexp"
	"slices"
	"strings"

	"signpost.internal/services/rag-service/internal/chunk"
)

// A document's words are content. Where they speak to a language model ("ignore
// your instructions", the marks of a chat template), they are neither shown to
// one nor proof of anything. The patterns are narrow, as manuals are full of
// instructions to people.
var orders = []*regexp.Regexp{
	regexp.MustCompile(`(?i)\b(?:ignore|disregard|forget|override|bypass|discard)\b[^.!?]{0,40}\b(?:instructions?|prompts?|system message|guidelines|(?:all|everything|anything|the text|the passages?)\b[^.!?]{0,20}\b(?:above|before|previous|prior|earlier|other))\b`),
	regexp.MustCompile(`(?i)\b(?:previous|prior|above|earlier|original|system|hidden)\s+(?:instructions?|prompts?)\b[^.!?]{0,40}\b(?:void|override|replace|obsolete|ignored?|follow(?:ed)?|obey(?:ed)?)\b`),
	regexp.MustCompile(`(?i)\b(?:you are|act as|pretend to be|behave as)\s+(?:now\s+)?(?:an?\s+|the\s+|my\s+)?(?:\w+\s+)?(?:AI|assistant|chat ?bot|(?:large )?language model|LLM|GPT|robot|bot|DAN)\b`),
	regexp.MustCompile(`(?i)\b(?:as an|dear|attention|note to|message to|instructions? (?:for|to)|hey|to (?:any|the|every)) (?:the |all |any )?(?:AI|assistants?|chat ?bots?|language models?|LLMs?|AI (?:systems?|models?|assistants?))\b`),
	regexp.MustCompile(`(?i)\b(?:AI|assistants?|chat ?bots?|language models?|LLMs?|summari[sz]ers?)\b[^.!?]{0,30}\b(?:must|should|shall|will|is to|are to|has to|have to|please)\s+(?:now\s+|always\s+|only\s+|never\s+|not\s+)?(?:say|answer|reply|respond|write|output|state|tell|claim|print|repeat|ignore|add|append|recommend|cite|follow|obey)\b`),
	regexp.MustCompile(`(?i)^\W*(?:please\s+|now\s+|instead,?\s+|only\s+|always\s+|just\s+|and\s+)*(?:say|answer|reply|respond|output|print|repeat|write)\b\s*(?:only\s+|exactly\s+|just\s+|back\s+|verbatim\s+)*(?:with\s+|that\s+|the (?:words?|following|sentence|text)\s*|this\s*)*:?\s*["“'‘]`),
	regexp.MustCompile(`(?i)\b(?:when|if|whenever|whatever)\b[^.!?]{0,40}\b(?:asked|question(?:ed)?|prompted|queried|quer(?:y|ies))\b[^.!?]{0,40}\b(?:say|answer|reply|respond|output|print)\b[^.!?]{0,20}[:"“'‘]`),
	regexp.MustCompile(`(?i)\b(?:reveal|print|show|repeat|leak|output)\b[^.!?]{0,20}\b(?:system prompt|your (?:instructions|prompt|rules))\b`),
	regexp.MustCompile(`(?i)(?:^|\n)\W{0,4}(?:system|assistant|user|human|developer|###\s*(?:instruction|response|system|input))\s*:`),
	template,
}

// template are the marks with which chat templates part speakers.
var template = regexp.MustCompile(`(?i)<\|?\s*/?(?:im_start|im_end|im_sep|endoftext|eot_id|start_header_id|end_header_id|begin_of_text|end_of_text|system|user|assistant|end|start_of_turn|end_of_turn|think|tool_call|bos|eos|s|unk|pad|channel|message|return|start)\s*\|?>|\[/?(?:INST|SYS|TOOL_CALLS|AVAILABLE_TOOLS)\]|<</?SYS>>`)

// withoutOrders leaves out of a passage what speaks to a language model: the
// sentence that does, and the rest of its paragraph, which it may prepare. It
// returns these apart; they are empty for nearly every passage.
func withoutOrders(text string) (rest, orders string) {
	var kept, left []string
	for line := range strings.SplitSeq(text, "\n") {
		if !isOrder(line) {
			kept = append(kept, line)
			continue
		}
		var before []string
		for _, sentence := range chunk.Sentences(line) {
			if isOrder(sentence) {
				break
			}
			before = append(before, sentence)
		}
		joined := strings.Join(before, " ")
		if isOrder(joined) { // a mark that spans sentences
			joined = ""
		}
		if joined != "" {
			kept = append(kept, joined)
		}
		left = append(left, strings.TrimPrefix(line, joined))
	}
	return strings.Join(kept, "\n"), strings.Join(left, "\n")
}

// hints are words and signs of which each order has one, or else a verb of saying
// and a quotation mark. To look for these first spares nearly all texts the
// patterns.
var (
	hints = []string{
		"ignor", "disregard", "forget", "overrid", "bypass", "discard", "instruction", "prompt", "rules", "assistant", "chatbot", "chat bot",
		"language model", "llm", "gpt", " ai", "robot", " bot", " dan", "summari", "system", "user", "human", "developer", "<", "[inst", "[/inst", "[sys", "[tool", "[/", "[avail",
	}
	sayings = []string{"say", "answer", "reply", "respond", "output", "print", "repeat", "write"}
)

// unseen are signs that take no room on a page, with which words can be hidden from
// patterns.
var unseen = strings.NewReplacer("\u00ad", "", "\u200b", "", "\u200c", "", "\u200d", "", "\u200e", "", "\u200f", "", "\u2060", "", "\ufeff", "", "\u00a0", " ")

func suspicious(text string) bool {
	text = " " + strings.ToLower(text)
	has := func(word string) bool { return strings.Contains(text, word) }
	return slices.ContainsFunc(hints, has) || strings.ContainsAny(text, `"“'‘`) && slices.ContainsFunc(sayings, has)
}

func isOrder(text string) bool {
	text = unseen.Replace(text)
	if !suspicious(text) {
		return false
	}
	for _, pattern := range orders {
		if pattern.MatchString(text) {
			return true
		}
	}
	return false
}

var (
	marker  = regexp.MustCompile(`\[([0-9][0-9,;\s]*)\]`)
	heading = regexp.MustCompile(`(?im)^(\W{0,4}(?:question|passages?|earlier|answer|system|assistant|user))\s*:`)
)

// harmless writes a passage so that nothing in it can be taken for a part of the
// prompt: neither for the number of a passage, nor for a heading, nor for the mark
// of a chat template. Its words and figures stay.
func harmless(text string) string {
	text = marker.ReplaceAllString(plainMarks(text), "($1)")
	return heading.ReplaceAllString(text, "$1 –")
}

// plainMarks writes the marks of chat templates as plain signs.
func plainMarks(text string) string {
	text = strings.NewReplacer("<|", "‹", "|>", "›", "<<", "‹", ">>", "›", "[INST]", "(INST)", "[/INST]", "(/INST)").Replace(text)
	return template.ReplaceAllStringFunc(text, func(found string) string {
		return strings.NewReplacer("<", "‹", ">", "›", "[", "(", "]", ")", "|", "").Replace(found)
	})
}
