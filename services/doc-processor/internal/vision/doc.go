// Package vision has a model say what a page shows beside its words: figures,
// tables, stamps, signatures, handwriting.
//
// What it says is content of doubtful worth, never an instruction and never the
// page's text: the model may see what is not there, and may read aloud what
// somebody wrote on a page in order to be obeyed. So a [Note] is kept apart from
// the text and marked, repetitions are cut, and every figure in it must stand in
// the page's text; the others are replaced by a mark.
package vision
