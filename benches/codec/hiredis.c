/* hiredis beside the others. Decodes all replies in a file, in pieces of so many bytes, again and
 * again for half a second, and visits every element of each.
 *
 *     hiredis FILE PIECE
 *
 * prints the sum over the elements of one pass, and the median time of a pass in nanoseconds. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <hiredis/hiredis.h>

enum { MOST_PASSES = 100000 };

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

static uint64_t weigh(const redisReply *reply) {
    uint64_t sum = 0;
    switch (reply->type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
        return reply->len;
    case REDIS_REPLY_INTEGER:
        return (uint64_t)reply->integer;
    case REDIS_REPLY_ARRAY:
        for (size_t i = 0; i < reply->elements; i++)
            sum += weigh(reply->element[i]);
    }
    return sum;
}

static uint64_t pass(const char *wire, size_t len, size_t piece) {
    redisReader *reader = redisReaderCreate();
    uint64_t sum = 0;
    for (size_t at = 0; at < len; at += piece) {
        size_t rest = len - at;
        redisReaderFeed(reader, wire + at, rest < piece ? rest : piece);
        void *reply = NULL;
        while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
            sum += weigh(reply);
            freeReplyObject(reply);
        }
    }
    redisReaderFree(reader);
    return sum;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv) {
    FILE *file = argc == 3 ? fopen(argv[1], "rb") : NULL;
    if (!file || fseek(file, 0, SEEK_END))
        return 1;
    size_t len = ftell(file), piece = strtoull(argv[2], NULL, 10);
    char *wire = malloc(len);
    double *times = malloc(MOST_PASSES * sizeof *times);
    rewind(file);
    if (!wire || !times || !piece || fread(wire, 1, len, file) != len)
        return 1;
    uint64_t sum = 0;
    int passes = 0;
    for (double start = now(); passes < MOST_PASSES && (passes < 3 || now() - start < 5e8); passes++) {
        double from = now();
        sum = pass(wire, len, piece);
        times[passes] = now() - from;
    }
    qsort(times, passes, sizeof *times, ascending);
    printf("%llu %.0f\n", (unsigned long long)sum, times[passes / 2]);
    return 0;
}
