/*
 * Stands in for the audio library whose header the Ollama module leaves out.
 * Signpost's tests send no sound: every call here fails, so a model asked to
 * listen says that it cannot.
 */
#ifndef SIGNPOST_NO_AUDIO_H
#define SIGNPOST_NO_AUDIO_H

#include <stdint.h>

typedef int ma_result;
typedef int ma_format;
typedef uint64_t ma_uint64;
typedef struct { int unused; } ma_decoder_config;
typedef struct { int unused; } ma_decoder;

enum { MA_SUCCESS = 0, MA_ERROR = -1, ma_format_f32 = 0 };

static inline ma_decoder_config ma_decoder_config_init(ma_format format, uint32_t channels, uint32_t rate) {
  ma_decoder_config config = {0};
  (void)format, (void)channels, (void)rate;
  return config;
}

static inline ma_result ma_decoder_init_memory(const void *data, uint64_t size, const ma_decoder_config *config, ma_decoder *decoder) {
  (void)data, (void)size, (void)config, (void)decoder;
  return MA_ERROR;
}

static inline ma_result ma_decoder_get_length_in_pcm_frames(ma_decoder *decoder, ma_uint64 *length) {
  (void)decoder, (void)length;
  return MA_ERROR;
}

static inline ma_result ma_decoder_read_pcm_frames(ma_decoder *decoder, void *frames, ma_uint64 count, ma_uint64 *read) {
  (void)decoder, (void)frames, (void)count, (void)read;
  return MA_ERROR;
}

static inline ma_result ma_decoder_uninit(ma_decoder *decoder) {
  (void)decoder;
  return MA_ERROR;
}

#endif
