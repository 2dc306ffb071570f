// Package samplepost makes the post that reading is measured on: letters,
// bills, statements and leaflets written by this project, set on pages whose
// words are known exactly, and what scanners, cameras and fax machines make of
// them. The same call always gives the same bytes.
package samplepost
