/* SPDX-License-Identifier: MIT
 *
 * One line of each kind of operation, as Optuna, Rustuna and Trialog write them, and some shapes of JSON that only attributes have.
 */
#ifndef TEST_OP_LINES_H
#define TEST_OP_LINES_H

#define FLOAT_DIST                                                                                           \
    "\"{\\\"name\\\": \\\"FloatDistribution\\\", \\\"attributes\\\": {\\\"step\\\": null, \\\"low\\\": 1e-05, "             \
    "\\\"high\\\": 1.0, \\\"log\\\": true}}\""

static const char *const op_lines[] = {
    "{\"op_code\":0,\"worker_id\":\"0b1c-139\",\"study_name\":\"s\\u00e9\\ud83d\\ude00\\\"\\\\\",\"directions\":[1,2]}",
    "{\"op_code\":1,\"worker_id\":\"0b1c-139\",\"study_id\":0}",
    "{\"op_code\":2,\"worker_id\":\"0b1c-139\",\"study_id\":0,\"user_attr\":{\"k\":{\"a\":[1,{\"b\":true,\"c\":null},[],{}],\"s\":\"\"}}}",
    "{\"op_code\":3,\"worker_id\":\"0b1c-139\",\"study_id\":0,\"system_attr\":{\"\\/\\b\\f\\n\\r\\t\":false}}",
    "{\"op_code\":4,\"worker_id\":\"0b1c-139\",\"study_id\":0,\"datetime_start\":\"2026-01-01T00:00:00.000000+00:00\"}",
    "{\"op_code\":4,\"worker_id\":\"0b1c-139\",\"study_id\":0,\"datetime_start\":null,\"state\":4,\"value\":null,\"values\":null,"
    "\"distributions\":{\"x\":" FLOAT_DIST "},\"params\":{\"x\":0.25},\"user_attrs\":{},\"system_attrs\":{\"fixed_params\":{\"i\":1}},"
    "\"intermediate_values\":{\"0\":NaN,\"-1\":-Infinity}}",
    "{\"op_code\":5,\"worker_id\":\"0b1c-139\",\"trial_id\":0,\"param_name\":\"x\",\"param_value_internal\":-1.5e-07,"
    "\"distribution\":" FLOAT_DIST "}",
    "{\"op_code\":6,\"worker_id\":\"0b1c-139\",\"trial_id\":0,\"state\":1,\"values\":[NaN,-0.25,-Infinity,Infinity,1E+16,-0,10],"
    "\"datetime_complete\":\"2026-01-01T00:00:01.000000+00:00\"}",
    "{\"op_code\":7,\"worker_id\":\"0b1c-139\",\"trial_id\":0,\"step\":3,\"intermediate_value\":Infinity}",
    "{\"op_code\":8,\"worker_id\":\"0b1c-139\",\"trial_id\":0,\"user_attr\":{\"k\":\"plain\"},\"n\":12,\"crc\":\"0a1b2c3d\"}",
    "{\"op_code\": 9, \"worker_id\": \"w\", \"trial_id\": 0, \"system_attr\": {\"a b\": [ true , false , null , -1.25E-3 ] } }",
    "{\"op_code\":10,\"worker_id\":\"0b1c-139\",\"trial_ids\":[0,1,2]}",
    /* the same unescaped: two, three and four bytes, the first and last of each length */
    "{\"op_code\":8,\"worker_id\":\"w\",\"trial_id\":0,\"user_attr\":{\"\xc2\x80\xdf\xbf\":\"\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80"
    "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}}",
    "{\"op_code\":0,\"worker_id\":\"w\",\"study_name\":\"\xe3\x81\x82\xf0\x9f\x98\x80\xc3\xa9\",\"directions\":[1]}",
};

#endif
