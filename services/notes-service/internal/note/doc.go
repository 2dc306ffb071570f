// Package note turns an adviser's rough notes into a letter in which nothing
// stands that the notes do not say.
//
// [Read] reads the notes by rule: lines, what is marked internal, corrections,
// facts (amounts, dates, references, phone numbers, percentages) and actions
// with their owner and deadline, each tied to its line and byte span. A
// [Converter] writes the letter: by rule ([Record.Letter]), where each item
// restates a line of the notes, or from a model's draft, of which only those
// sentences are kept that pass the proof against the lines they name.
// [Record.Prove] proves any letter; [Record.Analyse] makes the case record.
package note
