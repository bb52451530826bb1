/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JOB_BUNDLE_H
#define JOB_BUNDLE_H

/**
 * bundle_command(argc, argv):
 * `nodeseal-job bundle --fd N --key HEX WORDS OF RENDER`: the pipeline once for
 * every ExternalSecret, for `nodeseal bundle create`, which has started this
 * and reads descriptor N: JOB_KEY (a stream to the 32 bytes of --key), the
 * JOB_OBJECT of each ExternalSecret, store and HostProjection (no body), a
 * JOB_ITEM for each ExternalSecret, counted in the order of their objects, and
 * JOB_DONE.  What failed is said on standard error, as render says it.
 */
int bundle_command(int argc, char **argv);

#endif
