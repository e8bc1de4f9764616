/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A certificate that stands for nobody and its private key, for test_kp_azure.c.
 * Its SHA-256 fingerprint is of `openssl x509 -outform der | openssl dgst -sha256`.
 */
#ifndef CMKFS_AZURE_CERTIFICATE_H
#define CMKFS_AZURE_CERTIFICATE_H

#define TEST_FINGERPRINT "OXVt5zzUIVSF0IP0PXqBAOkYAwCC8QiRbYpuDefVxVU"

static const char test_certificate[] =
	"-----BEGIN CERTIFICATE-----\n"
	"MIIDDTCCAfWgAwIBAgIUQzy03xSNUeQYccvWWAk1DZttdoAwDQYJKoZIhvcNAQEL\n"
	"BQAwFTETMBEGA1UEAwwKY21rZnMtdGVzdDAgFw0yNjExMjYwMzUyMzRaGA8yMTI2\n"
	"MTEwMjAzNTIzNFowFTETMBEGA1UEAwwKY21rZnMtdGVzdDCCASIwDQYJKoZIhvcN\n"
	"AQEBBQADggEPADCCAQoCggEBAN0JMsMRqHcQa0I5tU+FeZ8QP7ZNt1MBFf3GHHvV\n"
	"/7je2FwLS4M56vquzCUfSlK8j+ONIUcBhz6faUe3wqIJ2i7R5yugMSxA+GM1M1TT\n"
	"WTj5n0YW2KNC+nX4fr7nJOSGrT16zzkAL6NOa/zJrLcuetLt5IWHBiJZ11/tGI5W\n"
	"rf4hDINCLjjowUgl5Lm7aqSz04iBq9MlV3NIFYC9KizOehZFO5Nah5BuGlPAKsj5\n"
	"/amS1Bhh3vwamcvjMCs+v3uhDsAEu0Rghepm75niR1o2/pOh5tEXvYaBEkP08zfI\n"
	"qEJH8xqnjmH8tvsGr2v+dav68N51idWqiVfAKEoKcdIh3+UCAwEAAaNTMFEwHQYD\n"
	"VR0OBBYEFBxGnu2nmV/THZRq31se1X/IZ0knMB8GA1UdIwQYMBaAFBxGnu2nmV/T\n"
	"HZRq31se1X/IZ0knMA8GA1UdEwEB/wQFMAMBAf8wDQYJKoZIhvcNAQELBQADggEB\n"
	"AMQ/ngi6UJYhs9D3P/3WgaC/lr8a3aEQcOJKiB/x++iRIi9yuL1YW12ms5XHjBUx\n"
	"PauTPxmcvHA1oJVt7HqmlmQ9QeA9KNzcTMDmc5JnLBB2hoRVLLC3jyWYkCNaS22o\n"
	"OaDXu5jE0ga1Js70Tck9S1bm3Yuisjxn7JHuMamnlNVSPcFvTklxOPdoqIv5EW5B\n"
	"UhjJKERmG+M+Fsv+p74+LbGjxui0s0vqqe3lfyklcz9+yzLr2/nwWYbLHG1lIDNp\n"
	"F2HBlSjlH3zCyz8IY0nNXnRaZ/vVRg1ax2L2XN9LMgARVW11ExPvhwrYdTV/CzwA\n"
	"cK7EN/4pACJffxMevznaEhA=\n"
	"-----END CERTIFICATE-----\n";

static const char test_private_key[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDdCTLDEah3EGtC\n"
	"ObVPhXmfED+2TbdTARX9xhx71f+43thcC0uDOer6rswlH0pSvI/jjSFHAYc+n2lH\n"
	"t8KiCdou0ecroDEsQPhjNTNU01k4+Z9GFtijQvp1+H6+5yTkhq09es85AC+jTmv8\n"
	"yay3LnrS7eSFhwYiWddf7RiOVq3+IQyDQi446MFIJeS5u2qks9OIgavTJVdzSBWA\n"
	"vSosznoWRTuTWoeQbhpTwCrI+f2pktQYYd78GpnL4zArPr97oQ7ABLtEYIXqZu+Z\n"
	"4kdaNv6ToebRF72GgRJD9PM3yKhCR/Map45h/Lb7Bq9r/nWr+vDedYnVqolXwChK\n"
	"CnHSId/lAgMBAAECggEAYaGD+fStQDYQ4lYiF0diEpe3RJtsO64RnB+rCinag7pu\n"
	"v60/g+2LtIGL62O4TPY76is2xSnQJqF7+7EXt8H5TM/rN3JQ9faWoB9qFnAqC0f7\n"
	"CZbixq45ee0ycrkfKw+vqqW5rTg/Unc7rJMaBmlx2AQ6+Z3L4FVlk9nijFCOFt6I\n"
	"33GozBaGaE1K7xZrW1NuiC9pa8PF/OqVAC+GEHlGDh9Opd5+5TjEfaSEzRrKFii/\n"
	"nX+q9ck1G6f+T1pe+QGdTO8sB6fjrntVZDNznm+07Y/o+CuozpkHtPDRiaXDBqkJ\n"
	"GOlvZvKaF0/9N8S089vYjeS9cn/ZChoxa2741lrRmwKBgQD3PXPTV7Mg3FgE2OI6\n"
	"boDX85XT/ZyTalnefBX7DRYTjaB0gI/Td8YYnaB2nniDg0GeP97NWoBa9gmdPnsW\n"
	"tCwqs3E52ybmFahKhlS0B+z8I08rHeZVJTAm7VYHSHYe66iembb4w5YQsQZEPoNI\n"
	"uaz0OUwob/SfODOnmx7RZHeAUwKBgQDk3hDkX5PDKQiEzJbJY7SrwQQT+lSqeIXX\n"
	"8VajiV8sPNnQkMEZ99u9Zl0FdtD8/JlZe7awdnCbN327xTbRVkH/ZKHS2CoPoOUC\n"
	"bLYMvrjTTe+wZs0GNsVfnT24yupDt8TMUlROdbUGjWglGmf7ptbvZ3h09i5wbCru\n"
	"WyQ9sO/35wKBgAC7W9ZqUgts243YHoNRxGvfOrhP7eC51d5Eu8Pse/4+0xTFNKfJ\n"
	"mPqFrO3s9ipdfxo60iwFco/SXqDqiG6+xcqykUk8jtbrhX4C+8k0pMzyRc+43O+v\n"
	"ln7nAPQwkLjytaMSjWobGhyeiYg2LylN82cdrE4KVs0J241JdkPkaj4lAoGAZrSI\n"
	"3BNQGgp1+jJdkG6gC1uI2vZBvGZtmeSBvs3M2etMy93J6j9iavJe2C7jxkQNBS0R\n"
	"ZMsh6WXTlMoBuZt97oBYZmf/KBhJ7PagE8Qa6ShWYdEgPKOjmy7THfRhgJYdSJvB\n"
	"nZwQ6qnWjJ/2/eV3GuRSGBrJ6EWCVoisEMswRQ0CgYEAtReCZMdG8NlOGIZ/oljG\n"
	"Pb71hs7IH4Ws6v20Kn0HxaL5iXYntVArK0Atg95ZFaidjjvgmdzrcOAGNTJ1W1gk\n"
	"dYJ0SulLYKwzFzC3EHLLhDqz+FYPISsiXQwWJK0bMiKHzP9HT8BLxqlrAGJETt2m\n"
	"Ak58eAodZuSdBm0H/W+Ne6w=\n"
	"-----END PRIVATE KEY-----\n";

#endif
